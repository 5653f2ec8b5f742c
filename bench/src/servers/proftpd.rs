//! ProFTPD: anonymous, without logs, delays and look-ups.

use std::io;

use super::{Launch, Places, Setting};

pub(super) fn launch(places: &Places, setting: &Setting<'_>) -> io::Result<Launch> {
    let (address, root, work) = (setting.address, setting.root.display(), setting.work.display());
    let tls = if setting.tls {
        format!(
            "LoadModule mod_tls.c\nTLSEngine on\nTLSProtocol TLSv1.2 TLSv1.3\nTLSRequired off\n\
             TLSOptions NoSessionReuseRequired\nTLSECCertificateFile {}\nTLSECCertificateKeyFile {}\nTLSLog none\n",
            setting.certificate.display(),
            setting.key.display()
        )
    } else {
        String::new()
    };
    let text = format!(
        "ServerType standalone\nDefaultAddress {}\nSocketBindTight on\nPort {}\nUseIPv6 off\nUseReverseDNS off\n\
         ModulePath {}/proftpd/usr/lib/proftpd\nUser nobody\nGroup nogroup\nMaxInstances none\nTCPBacklog 255\n\
         PidFile {work}/pid\nScoreboardFile {work}/score\nDelayEngine off\nWtmpLog off\nTransferLog none\n\
         SystemLog none\nDebugLevel 0\nUseSendfile on\nAuthOrder mod_auth_unix.c\nTimeoutIdle 3600\n\
         TimeoutNoTransfer 0\nAllowOverwrite on\n{tls}\
         <Anonymous {root}>\nUser ftp\nGroup ftp\nUserAlias anonymous ftp\nRequireValidShell off\n\
         <Limit ALL>\nAllowAll\n</Limit>\n</Anonymous>\n",
        address.ip(),
        address.port(),
        places.peers.display(),
    );
    Ok(Launch::new(["-n", "-q", "-c", &setting.write("proftpd.conf", &text)?]))
}
