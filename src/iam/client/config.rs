//! What a client is made from, checked field by field.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use reqwest::{Certificate, Url};

use super::Error;
use crate::clock::Clock;
use crate::iam::model::TokenValue;

/// How to reach one instance, and as whom.
#[derive(Clone, Debug)]
pub struct Config {
    /// Scheme, host, port and perhaps a context path: `https://kestra.example.com/kestra`.
    pub url: String,
    /// The tenant that all tenant-level calls go to: `main`.
    pub tenant: String,
    /// How to authenticate.
    pub credential: Credential,
    /// PEM certificates to trust in place of the system's.
    pub ca: Option<Vec<u8>>,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// For the whole call: waiting for a permit, connecting, and the answer to its last byte.
    pub timeout: Duration,
    /// How many requests may be under way at once.
    pub in_flight: usize,
    /// How many requests may be sent per second, on average; as many may come at once after a pause.
    pub requests_per_second: u32,
    /// Where the URL's host is, if its name was resolved already: nobody resolves it to anything else then.
    pub addresses: Vec<SocketAddr>,
    /// What the backend's access log shows.
    pub user_agent: String,
    /// Where wall time comes from.
    pub clock: Clock,
}

impl Config {
    /// A configuration with the defaults: 5 s to connect, 30 s in all, 16 requests at once, 50 per second.
    #[must_use]
    pub fn new(url: &str, tenant: &str, credential: Credential, clock: Clock) -> Self {
        Self {
            url: url.to_owned(),
            tenant: tenant.to_owned(),
            credential,
            ca: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            in_flight: 16,
            requests_per_second: 50,
            addresses: Vec::new(),
            user_agent: concat!("kestra-iam-operator/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock,
        }
    }

    /// Whether clients of both would behave alike, their clocks aside.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let plain = |config: &Self| {
            let Self {
                url,
                tenant,
                ca,
                connect_timeout,
                timeout,
                in_flight,
                requests_per_second,
                addresses,
                user_agent,
                credential: _,
                clock: _,
            } = config.clone();
            let text = (url, tenant, ca, user_agent, addresses);
            (
                text,
                (connect_timeout, timeout, in_flight, requests_per_second),
            )
        };
        self.credential.is_like(&other.credential) && plain(self) == plain(other)
    }
}

/// How a client authenticates.
#[derive(Clone)]
pub enum Credential {
    /// An API token.
    Bearer(TokenValue),
    /// A user's name and password; Kestra 2.x does not take it by default.
    Basic {
        /// The login name, without a colon.
        user: String,
        /// The password.
        password: TokenValue,
    },
}

impl Credential {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bearer(one), Self::Bearer(two)) => one.expose() == two.expose(),
            (
                Self::Basic { user, password },
                Self::Basic {
                    user: user2,
                    password: password2,
                },
            ) => user == user2 && password.expose() == password2.expose(),
            (Self::Bearer(_) | Self::Basic { .. }, _) => false,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(..)",
            Self::Basic { .. } => "Basic(..)",
        })
    }
}

pub(super) const fn wrong(field: &'static str, problem: &'static str) -> Error {
    Error::Config { field, problem }
}

/// The value of the `Authorization` header, marked so that nothing below us logs it.
pub(super) fn authorization(credential: &Credential) -> Result<HeaderValue, Error> {
    match credential {
        Credential::Bearer(token) => bearer(token).ok_or(wrong(
            "credential.token",
            "is empty or holds a character that no header can carry, such as a line break or a space: remove it",
        )),
        Credential::Basic { user, password } => basic(user, password),
    }
}

/// The header for a token, if the token can stand in one.
pub(super) fn bearer(token: &TokenValue) -> Option<HeaderValue> {
    if !token.is_well_formed() {
        return None;
    }
    sensitive(&format!("Bearer {}", token.expose()))
}

fn basic(user: &str, password: &TokenValue) -> Result<HeaderValue, Error> {
    if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
        let rule = "is empty, or holds a colon or a control character: give the login name";
        return Err(wrong("credential.user", rule));
    }
    if password.expose().is_empty() || password.expose().chars().any(char::is_control) {
        let rule = "is empty or holds a control character, such as a line break at its end";
        return Err(wrong("credential.password", rule));
    }
    let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
    sensitive(&format!("Basic {pair}")).ok_or(wrong("credential.password", "fits no header"))
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The HTTP client below ours: no redirects, the environment's proxy, the CA in place of the system's.
pub(super) fn http(config: &Config, url: &Url) -> Result<reqwest::Client, Error> {
    if config.connect_timeout.is_zero() {
        return Err(wrong("connect_timeout", "is zero: give it seconds"));
    }
    if config.timeout.is_zero() {
        return Err(wrong("timeout", "is zero: give it seconds"));
    }
    if config.in_flight == 0 {
        return Err(wrong("in_flight", "is zero: allow one request at least"));
    }
    if config.requests_per_second == 0 {
        return Err(wrong("requests_per_second", "is zero: allow one at least"));
    }
    let agent = HeaderValue::from_str(&config.user_agent)
        .map_err(|_| wrong("user_agent", "fits no header: use visible ASCII"))?;
    let builder = reqwest::Client::builder()
        .user_agent(agent)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(IDLE);
    let host = url.host_str().filter(|_| !config.addresses.is_empty());
    let builder = match host {
        Some(host) => builder.resolve_to_addrs(host, &config.addresses),
        None => builder,
    };
    trusting(builder, config, url)
}

/// Shorter than servers keep idle connections, so that a request seldom meets one that is being closed.
const IDLE: Duration = Duration::from_secs(15);

const PEM_RULE: &str =
    "is not a bundle of PEM certificates: it starts with -----BEGIN CERTIFICATE-----";

fn trusting(
    builder: reqwest::ClientBuilder,
    config: &Config,
    url: &Url,
) -> Result<reqwest::Client, Error> {
    let Some(ca) = &config.ca else {
        let plain = url.scheme() == "http";
        // Without TLS there is nothing to trust, and an image without certificates must still start.
        let builder = if plain {
            builder.tls_certs_only([])
        } else {
            builder
        };
        return builder.build().map_err(|_| {
            wrong(
                "ca",
                "is not given, and the system has no certificates to trust either: give one",
            )
        });
    };
    let certificates = Certificate::from_pem_bundle(ca).map_err(|_| wrong("ca", PEM_RULE))?;
    if certificates.is_empty() {
        return Err(wrong("ca", PEM_RULE));
    }
    builder
        .tls_certs_only(certificates)
        .build()
        .map_err(|_| wrong("ca", PEM_RULE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_good_for_as_long_as_its_configuration_says_the_same() {
        let with = |change: fn(&mut Config)| {
            let credential = Credential::Bearer(TokenValue::new("t".to_owned()));
            let mut config = Config::new("http://h", "main", credential, Clock::system());
            change(&mut config);
            config
        };
        let config = with(|_| ());
        assert!(config.is_like(&with(|_| ())));
        let basic = |config: &mut Config| {
            config.credential = Credential::Basic {
                user: "u".to_owned(),
                password: TokenValue::new("p".to_owned()),
            };
        };
        let changes: [fn(&mut Config); 10] = [
            basic,
            |config| config.credential = Credential::Bearer(TokenValue::new("u".to_owned())),
            |config| config.url.push('x'),
            |config| config.tenant.push('x'),
            |config| config.ca = Some(Vec::new()),
            |config| config.timeout *= 2,
            |config| config.connect_timeout *= 2,
            |config| config.in_flight += 1,
            |config| config.requests_per_second += 1,
            |config| config.addresses.push(([10, 0, 0, 1], 443).into()),
        ];
        for change in changes {
            assert!(!config.is_like(&with(change)));
        }
    }

    #[test]
    fn whoever_logs_headers_sees_that_this_one_is_a_secret() {
        let value = || TokenValue::new("a-value".to_owned());
        let basic = Credential::Basic {
            user: "rick".to_owned(),
            password: value(),
        };
        for credential in [Credential::Bearer(value()), basic] {
            let header = authorization(&credential).unwrap();
            assert!(header.is_sensitive());
            assert_eq!(format!("{header:?}"), "Sensitive");
        }
    }
}
