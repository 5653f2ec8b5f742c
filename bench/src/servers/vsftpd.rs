//! vsftpd: anonymous, in one process for each session where it can, and without its sandbox and name spaces.

use std::io;

use super::{Launch, Setting};

pub(super) fn launch(setting: &Setting<'_>) -> io::Result<Launch> {
    let (address, root) = (setting.address, setting.root.display());
    // One process and TLS exclude each other.
    let kind = if setting.tls {
        format!(
            "ssl_enable=YES\nallow_anon_ssl=YES\nrequire_ssl_reuse=NO\nssl_ciphers=HIGH\nforce_local_data_ssl=NO\n\
             force_local_logins_ssl=NO\nrsa_cert_file={}\nrsa_private_key_file={}\n",
            setting.certificate.display(),
            setting.key.display()
        )
    } else {
        "one_process_model=YES\n".to_owned()
    };
    let empty = setting.work.join("empty");
    std::fs::create_dir(&empty)?;
    let text = format!(
        "listen=YES\nbackground=NO\nlisten_address={}\nlisten_port={}\n\
         anonymous_enable=YES\nlocal_enable=NO\nwrite_enable=YES\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\n\
         anon_other_write_enable=YES\nanon_root={root}\nftp_username=ftp\nnopriv_user=nobody\nsecure_chroot_dir={}\n\
         seccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\nxferlog_enable=NO\ntcp_wrappers=NO\nmax_clients=0\n\
         max_per_ip=0\nidle_session_timeout=3600\n{kind}",
        address.ip(),
        address.port(),
        empty.display(),
    );
    Ok(Launch::new([setting.write("vsftpd.conf", &text)?]))
}
