//! What a failure below HTTP means, told by its kind; its text, which holds the URL, goes no further.

use std::error::Error as _;
use std::io;

use rustls::CertificateError;

use super::{Outage, TlsProblem};

type Cause = dyn std::error::Error + 'static;

/// The class of a failed exchange.
pub(super) fn outage(error: &reqwest::Error) -> Outage {
    if error.is_connect() {
        if let Some(problem) = tls(error) {
            return Outage::Tls(problem);
        }
        return if error.is_dns() {
            Outage::Dns
        } else {
            Outage::Connect
        };
    }
    if error.is_timeout() {
        Outage::Timeout
    } else {
        Outage::Broken
    }
}

fn tls(error: &reqwest::Error) -> Option<TlsProblem> {
    let mut cause = error.source();
    while let Some(at) = cause {
        if let Some(problem) = rustls_in(at) {
            return Some(certificate(problem));
        }
        cause = at.source();
    }
    None
}

/// An I/O error hides what it wraps from `source`.
fn rustls_in(cause: &Cause) -> Option<&rustls::Error> {
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(error);
    }
    let inner = cause.downcast_ref::<io::Error>()?.get_ref()?;
    rustls_in(inner as &Cause)
}

fn certificate(error: &rustls::Error) -> TlsProblem {
    use CertificateError as Bad;
    let rustls::Error::InvalidCertificate(bad) = error else {
        return TlsProblem::Handshake;
    };
    match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => TlsProblem::Expired,
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => TlsProblem::NotYetValid,
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => TlsProblem::OtherHost,
        Bad::UnknownIssuer => TlsProblem::UnknownIssuer,
        _ => TlsProblem::Certificate,
    }
}
