//! TLS on the control connection, and what is demanded of clients about it (RFC 4217).
//!
//! Nothing that was sent in clear may have a meaning under TLS: AUTH is answered by 234 only when not a byte has come
//! behind it, and login and parameters begin anew after the handshake.

use crate::action::{Action, ActionId, Channel, Request, Resource, Secured, StartTls, TlsError, sealed};
use crate::data::DataChannel;
use crate::event::{CloseReason, Event};
use crate::reply::Reply;
use crate::session::Session;
use crate::timer::Timer;

/// How far the security of a session goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Security {
    control: Control,
    client_certificate: bool,
    buffer_size: bool,
    protect_data: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Control {
    #[default]
    Clear,
    /// AUTH has come and is to be answered when it is sure that nothing came behind it.
    Asked,
    Handshake,
    Secured,
}

impl Security {
    pub(crate) fn is_control_secured(&self) -> bool {
        self.control == Control::Secured
    }

    /// Whether the control connection is on its way from clear to TLS: nothing may be read then.
    pub(crate) fn is_changing(&self) -> bool {
        matches!(self.control, Control::Asked | Control::Handshake)
    }

    /// Whether the handshake is under way: what is said now would be read as part of it.
    pub(crate) fn is_securing(&self) -> bool {
        self.control == Control::Handshake
    }

    pub(crate) fn was_asked(&self) -> bool {
        self.control == Control::Asked
    }

    /// Whether the client presented a certificate on the control connection.
    pub(crate) fn has_client_certificate(&self) -> bool {
        self.client_certificate
    }

    pub(crate) fn agree_on_buffer_size(&mut self) {
        self.buffer_size = true;
    }

    pub(crate) fn has_buffer_size(&self) -> bool {
        self.buffer_size
    }

    /// Whether data connections are under TLS (PROT P).
    pub(crate) fn protects_data(&self) -> bool {
        self.protect_data
    }

    #[cfg(feature = "testing")]
    pub(crate) fn control_state(&self) -> crate::SecurityState {
        crate::SecurityState {
            control: match self.control {
                Control::Clear => crate::ControlSecurity::Clear,
                Control::Asked | Control::Handshake => crate::ControlSecurity::Handshake,
                Control::Secured => crate::ControlSecurity::Secured,
            },
            client_certificate: self.client_certificate,
            buffer_size: self.buffer_size,
            protects_data: self.protect_data,
        }
    }
}

impl Session {
    /// AUTH TLS has come.
    pub(crate) fn ask_for_tls(&mut self) {
        self.security.control = Control::Asked;
    }

    /// Answers AUTH, unless something came behind it, which could only have been sent in clear.
    pub(crate) fn answer_auth(&mut self, nothing_behind: bool) {
        if !nothing_behind {
            return self.fail("Input behind AUTH is refused, closing.", CloseReason::TlsFailed);
        }
        self.reply(Reply::new(234, "Ready for TLS."));
        self.start_control_tls();
    }

    pub(crate) fn start_control_tls(&mut self) {
        self.security.control = Control::Handshake;
        self.start_pending(StartTls { channel: Channel::Control }, Action::StartTls);
        self.arm(Timer::Tls, self.config.tls_timeout);
    }

    /// PROT.
    pub(crate) fn protect_data(&mut self, protect: bool) {
        if self.security.protect_data != protect {
            self.security.protect_data = protect;
            self.reset_data();
        }
    }

    /// The refusal of a login over an unprotected connection, where that is not allowed.
    pub(crate) fn lacks_control_tls(&mut self) -> bool {
        let lacks = self.config.tls.is_some_and(|tls| tls.control_required) && !self.security.is_control_secured();
        if lacks {
            self.reply(Reply::new(550, "TLS is required on the control connection, send AUTH TLS."));
        }
        lacks
    }

    /// Whether data would go in clear where that is not allowed.
    pub(crate) fn lacks_data_tls(&self) -> bool {
        self.config.tls.is_some_and(|tls| tls.data_required) && !self.security.protect_data
    }

    fn control_secured(&mut self, Secured { client_certificate }: Secured) {
        self.timers.stop(Timer::Tls);
        self.forget_clear_text();
        self.security = Security { control: Control::Secured, client_certificate, ..Security::default() };
        self.notify(Event::Secured);
        self.greet();
    }

    fn data_secured(&mut self, tls: ActionId, data: ActionId, outcome: Result<Secured, TlsError>) {
        let expected = self.data == DataChannel::Securing { data, tls };
        if self.was_cancelled(tls) || !expected {
            if outcome.is_ok() {
                self.release(Resource::Data(data));
            }
            return self.settle_abort();
        }
        match outcome {
            Ok(Secured { .. }) => self.data_ready(data),
            Err(error) => {
                // A file that is being opened, or a listing over the control connection, may still stall.
                let running = self.transfer.is_some();
                self.arm(Timer::Stall, self.config.stall_timeout.filter(|_| running));
                let not_resumed = error == TlsError::NotResumed;
                self.data = DataChannel::Refused { not_resumed };
                self.data_failed(refusal(not_resumed));
            }
        }
    }
}

/// The reply to a transfer whose data connection did not come under TLS.
pub(crate) fn refusal(not_resumed: bool) -> Reply {
    Reply::new(
        522,
        if not_resumed {
            "The data connection must resume the TLS session."
        } else {
            "TLS handshake of the data connection failed."
        },
    )
}

impl sealed::Sealed for StartTls {
    fn deliver(self, session: &mut Session, id: ActionId, outcome: <Self as Request>::Outcome) {
        match self.channel {
            Channel::Data(data) => session.data_secured(id, data, outcome),
            Channel::Control if session.was_cancelled(id) || !session.is_pending(id) => {}
            Channel::Control => match outcome {
                Ok(secured) => session.control_secured(secured),
                Err(_) => session.close(CloseReason::TlsFailed),
            },
        }
    }
}
