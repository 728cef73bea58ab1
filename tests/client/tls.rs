//! Whom the client trusts, and the word for why it does not.

use axum::{Router, routing::get};
use axum_server::tls_rustls::RustlsConfig;
use kestra_iam_operator::iam::client::{Client, Config, Error, Outage, TlsProblem};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::canned::config;

/// A certificate authority of our own.
pub(crate) struct Authority(Issuer<'static, KeyPair>, String);

impl Authority {
    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), pem)
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.1.clone().into_bytes()
    }

    /// Serves `/api/v1/me` with a certificate for `host`, changed by `change`.
    async fn serve(&self, host: &str, change: impl FnOnce(&mut CertificateParams)) -> String {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let chain = vec![certificate.der().to_vec()];
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let tls = RustlsConfig::from_der(chain, key.serialize_der())
            .await
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/api/v1/me", get(async || r#"{"id":"me"}"#));
        let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
        tokio::spawn(server.serve(app.into_make_service()));
        url
    }

    fn trusting(&self, url: &str) -> Config {
        let mut config = config(url);
        config.ca = Some(self.pem());
        config
    }
}

async fn problem(config: &Config) -> TlsProblem {
    let error = Client::new(config).unwrap().me().await.unwrap_err();
    match error {
        Error::Unavailable {
            outage: Outage::Tls(problem),
            ..
        } => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_of_our_own_authority_is_trusted() {
    let authority = Authority::named("ours");
    let url = authority.serve("127.0.0.1", |_| ()).await;
    let me = Client::new(&authority.trusting(&url)).unwrap().me().await;
    assert_eq!(me.unwrap().id.as_str(), "me");
}

#[tokio::test]
async fn a_bundle_may_hold_several_authorities() {
    let (old, new) = (Authority::named("old"), Authority::named("new"));
    let mut config = new.trusting(&new.serve("127.0.0.1", |_| ()).await);
    config.ca = Some([old.pem(), new.pem()].concat());
    assert!(Client::new(&config).unwrap().me().await.is_ok());
}

#[tokio::test]
async fn a_server_of_another_authority_is_not() {
    let (ours, theirs) = (Authority::named("ours"), Authority::named("theirs"));
    let url = theirs.serve("127.0.0.1", |_| ()).await;
    assert_eq!(
        problem(&ours.trusting(&url)).await,
        TlsProblem::UnknownIssuer
    );
}

#[tokio::test]
async fn a_certificate_for_another_host_is_not() {
    let authority = Authority::named("ours");
    let url = authority.serve("kestra.example.com", |_| ()).await;
    assert_eq!(
        problem(&authority.trusting(&url)).await,
        TlsProblem::OtherHost
    );
}

#[tokio::test]
async fn a_certificate_outside_its_time_is_not() {
    let authority = Authority::named("ours");
    let past = |params: &mut CertificateParams| params.not_after = date_time_ymd(2001, 1, 1);
    let url = authority.serve("127.0.0.1", past).await;
    assert_eq!(
        problem(&authority.trusting(&url)).await,
        TlsProblem::Expired
    );
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(2999, 1, 1);
    let url = authority.serve("127.0.0.1", future).await;
    assert_eq!(
        problem(&authority.trusting(&url)).await,
        TlsProblem::NotYetValid
    );
}

#[tokio::test]
async fn a_server_without_tls_is_told_as_such() {
    let authority = Authority::named("ours");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });
    assert_eq!(
        problem(&authority.trusting(&url)).await,
        TlsProblem::Handshake
    );
}
