//! The way to the backend: the operator's own credential, and TLS.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use kestra_iam_operator::iam::client::{AccountSpec, NewToken, Owner};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use testbed::Scratch;

use crate::bench::{Bench, condition};

const CI: (&str, &str) = ("ServiceAccount", "ci");

/// Waits until the instance says this.
async fn instance(bench: &Bench, status: &str, reason: &str) {
    let expected = ("Ready", status, reason);
    bench
        .has("ClusterInstance", &bench.instance, expected)
        .await;
}

/// A token of an account that may do nothing.
async fn weak(bench: &Bench) -> String {
    let spec = AccountSpec {
        name: "weak".into(),
        description: None,
        groups: Vec::new(),
    };
    let account = bench.backend.create_account(&spec).await.unwrap();
    let wanted = NewToken {
        name: "weak".into(),
        description: String::new(),
        lifetime: None,
        extended: false,
    };
    let owner = Owner::Account(account.id);
    let issued = bench.backend.issue_token(&owner, &wanted).await.unwrap();
    issued.full_token.expose().to_owned()
}

#[tokio::test]
async fn fault_11_credential_refused_then_replaced() {
    let bench = Bench::start().await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    let old = bench.value("ci-default").await;
    let weak = weak(&bench).await;
    let wrong = "n0body-kn0ws-this-credential-anywhere";
    for (value, reason) in [(wrong, "Unauthorized"), (weak.as_str(), "Forbidden")] {
        bench.put_credential(value).await;
        instance(&bench, "False", reason).await;
        bench.order(CI.0, CI.1, "rotate-requested-at", reason).await;
        let object = bench.has(CI.0, CI.1, ("Synced", "False", reason)).await;
        let ready = condition(&object, "Ready");
        assert_eq!(ready["status"], "True", "its token works: {ready}");
        assert_eq!(bench.value("ci-default").await, old);
    }
    let admin = bench.server.admin_token().to_owned();
    bench.put_credential(&admin).await;
    bench.other_value("ci-default", &old).await;
    consumer.calls(20).await;
    bench.judge().await;
}

/// The certificate of a server, in files that the next restart reads.
struct Certificates {
    files: Scratch,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy)]
enum Flaw {
    None,
    Expired,
    WrongHost,
}

impl Certificates {
    fn new() -> Self {
        Self {
            files: Scratch::new("tls").unwrap(),
        }
    }

    fn chain(&self) -> PathBuf {
        self.files.file("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.files.file("tls.key")
    }

    /// Puts a certificate of this authority in place.
    fn put(&self, authority: &Issuer<'static, KeyPair>, flaw: Flaw) {
        let host = match flaw {
            Flaw::WrongHost => "10.9.8.7",
            Flaw::None | Flaw::Expired => "127.0.0.1",
        };
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        if matches!(flaw, Flaw::Expired) {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, authority).unwrap();
        fs::write(self.chain(), certificate.pem()).unwrap();
        fs::write(self.key(), key.serialize_pem()).unwrap();
    }
}

/// An authority, and its certificate as PEM.
fn authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

fn trusting(ca: &str) -> Value {
    json!({"tls": {"caBundle": ca}})
}

/// Starts the server with the certificate that is in place, and has the operator look at it.
async fn serve(bench: &mut Bench) {
    bench.server.restart().await.unwrap();
    bench.advance(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn fault_17_tls_goes_wrong() {
    let certificates = Certificates::new();
    let (first, first_ca) = authority("the first");
    let (second, second_ca) = authority("the second");
    certificates.put(&first, Flaw::None);
    let paths = [certificates.chain(), certificates.key()];
    let [chain, key] = paths.map(|path| path.display().to_string());
    let mut bench = Bench::builder()
        .server(&["--tls-cert", &chain, "--tls-key", &key])
        .trusting(&[&first_ca, &second_ca])
        .instance(trusting(&first_ca))
        .start()
        .await;
    bench.account("ci").await;
    let consumer = bench.consume("ci-default").await;
    let old = bench.value("ci-default").await;
    let flaws = [
        (&first, Flaw::Expired),
        (&first, Flaw::WrongHost),
        (&second, Flaw::None),
    ];
    for (issuer, flaw) in flaws {
        certificates.put(issuer, flaw);
        serve(&mut bench).await;
        instance(&bench, "False", "BackendUnavailable").await;
        let object = bench.get(CI.0, CI.1).await;
        assert_eq!(condition(&object, "Ready")["status"], "True");
        assert_eq!(bench.value("ci-default").await, old);
        certificates.put(&first, Flaw::None);
        serve(&mut bench).await;
        instance(&bench, "True", "").await;
    }
    // The authority is replaced for good: as soon as the instance knows it, all goes on.
    certificates.put(&second, Flaw::None);
    serve(&mut bench).await;
    instance(&bench, "False", "BackendUnavailable").await;
    bench.order(CI.0, CI.1, "rotate-requested-at", "1").await;
    let spec = json!({"spec": trusting(&second_ca)});
    bench.patch("ClusterInstance", &bench.instance, spec).await;
    bench.other_value("ci-default", &old).await;
    consumer.calls(20).await;
    let tally = consumer.tally();
    assert!(tally.outages > 0, "a server that cannot be trusted is none");
    bench.judge().await;
}
