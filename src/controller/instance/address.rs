//! Where a namespaced `Instance` may point: it makes the operator call an address that a tenant chose.

use std::net::IpAddr;

use reqwest::Url;

use super::Connects;
use crate::api::condition::Reason;
use crate::controller::context::Context;
use crate::controller::outcome::{Blocked, Stop};
use crate::controller::referrers::KindName;

/// Refuses an `Instance` whose address is not one of `--instance-hosts` by https, or resolves to where only the operator
/// can go. A `ClusterInstance` is its administrator's word.
pub(super) async fn permitted<K: Connects>(context: &Context, object: &K) -> Result<(), Stop> {
    if K::NAME == KindName::ClusterInstance {
        return Ok(());
    }
    let hosts = context.settings.instance_hosts.as_deref();
    let (host, port) = target(hosts, &object.settings().url)?;
    let resolved = tokio::net::lookup_host((host.as_str(), port)).await;
    let resolved = resolved.map_err(|_| refused("spec.url's host cannot be resolved"))?;
    let is_open = resolved
        .map(|address| address.ip())
        .all(|ip| !is_inside(ip));
    if is_open {
        Ok(())
    } else {
        Err(refused("spec.url's host resolves to an address that no Instance may use").into())
    }
}

fn target(hosts: Option<&[String]>, url: &str) -> Result<(String, u16), Blocked> {
    let Some(hosts) = hosts else {
        return Err(refused(
            "the operator runs without --namespaced-instances: use a ClusterInstance",
        ));
    };
    let url = Url::parse(url).map_err(|_| refused("spec.url is no address"))?;
    if url.scheme() != "https" {
        return Err(refused("spec.url of an Instance starts with https://"));
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    if !hosts.contains(&host) {
        return Err(refused("spec.url's host is not one of --instance-hosts"));
    }
    Ok((host, url.port_or_known_default().unwrap_or(443)))
}

fn refused(message: &str) -> Blocked {
    Blocked::refused(Reason::NotAllowed, message)
}

/// Loopback, link-local (cloud metadata among it), and what is no host at all.
fn is_inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
        }
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(
            || {
                ip.is_loopback()
                    || ip.is_unicast_link_local()
                    || ip.is_unspecified()
                    || ip.is_multicast()
            },
            |ip| is_inside(IpAddr::V4(ip)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(hosts: Option<&[String]>, url: &str) -> String {
        target(hosts, url).unwrap_err().message
    }

    #[test]
    fn only_listed_hosts_by_https() {
        let hosts = ["kestra.example.com".to_owned()];
        assert_eq!(
            target(Some(&hosts), "https://kestra.example.com/x"),
            Ok(("kestra.example.com".into(), 443))
        );
        assert!(message(None, "https://kestra.example.com").contains("--namespaced-instances"));
        assert!(message(Some(&hosts), "http://kestra.example.com").contains("https://"));
        assert!(
            message(Some(&hosts), "https://kestra.example.com.evil.com")
                .contains("--instance-hosts")
        );
    }

    #[test]
    fn addresses_inside_are_refused_in_every_spelling() {
        for inside in [
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "0.0.0.0",
            "::1",
            "::",
            "fe80::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["93.184.216.34", "10.1.2.3", "2001:db8::1"] {
            assert!(!is_inside(outside.parse().unwrap()), "{outside}");
        }
    }
}
