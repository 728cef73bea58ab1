//! A certificate authority of a test's own, and an IAM server that has a certificate of it.

use std::net::IpAddr;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use testbed::{IamServer, Scratch};

use crate::world::{World, binary};

/// A server that speaks TLS.
pub struct Secured {
    pub server: IamServer,
    /// Whom to trust.
    pub ca: String,
    _files: Scratch,
}

impl Secured {
    /// On this address, with a certificate for it.
    pub async fn start(world: &World, address: IpAddr) -> Self {
        let (issuer, ca) = authority("the test's own");
        let params = CertificateParams::new(vec![address.to_string()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let files = Scratch::new("tls").unwrap();
        let (chain, secret) = (files.file("tls.crt"), files.file("tls.key"));
        std::fs::write(&chain, certificate.pem()).unwrap();
        std::fs::write(&secret, key.serialize_pem()).unwrap();
        let [clock, offset] = world.clock.args();
        let flags = [
            "--tls-cert".into(),
            chain,
            "--tls-key".into(),
            secret,
            clock,
            offset,
        ];
        let server = IamServer::start_on(address, binary(), &flags)
            .await
            .unwrap();
        Self {
            server,
            ca,
            _files: files,
        }
    }
}

/// An authority, and its certificate as PEM.
pub fn authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}
