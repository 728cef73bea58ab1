//! Where a namespaced `Instance` may point: it makes the operator call an address that a tenant chose.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;

use super::Connects;
use crate::api::condition::Reason;
use crate::controller::context::Context;
use crate::controller::outcome::{Blocked, Stop};
use crate::controller::referrers::KindName;

/// Refuses an `Instance` whose address is not one of `--instance-hosts` by https, or resolves to where only the operator
/// can go. A `ClusterInstance` is its administrator's word.
///
/// What the host's name stood for when it was judged is what is connected to: nobody resolves it again.
pub(super) async fn permitted<K: Connects>(
    context: &Context,
    object: &K,
) -> Result<Vec<SocketAddr>, Stop> {
    if K::NAME == KindName::ClusterInstance {
        return Ok(Vec::new());
    }
    let settings = &context.settings;
    let target = target(settings.instance_hosts.as_deref(), &object.settings().url)?;
    let resolved = resolve(&target).await;
    let unknown = || refused("spec.url's host cannot be resolved");
    let resolved = resolved
        .filter(|found| !found.is_empty())
        .ok_or_else(unknown)?;
    let own = match own(&settings.api_server) {
        Some(own) => resolve(&own).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let is_open = |address: &SocketAddr| {
        !is_inside(address.ip()) && !own.iter().any(|own| own.ip() == address.ip())
    };
    if resolved.iter().all(is_open) {
        Ok(resolved)
    } else {
        Err(refused("spec.url's host resolves to an address that no Instance may use").into())
    }
}

async fn resolve((host, port): &(String, u16)) -> Option<Vec<SocketAddr>> {
    // As an address is written in a URL.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let resolved = tokio::net::lookup_host((host, *port)).await.ok()?;
    // In one order, whatever that of the answer: it says nothing new then.
    let distinct: BTreeSet<SocketAddr> = resolved.collect();
    Some(distinct.into_iter().collect())
}

/// Host and port of the cluster's own API server.
fn own(url: &str) -> Option<(String, u16)> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?.to_owned();
    Some((host, url.port_or_known_default()?))
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
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("spec.url names a user: leave it out"));
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

/// Where clouds answer for a machine besides link-local addresses, with its credentials among the answers.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Loopback, link-local, metadata, and what is no host at all, in every spelling.
fn is_inside(ip: IpAddr) -> bool {
    if METADATA.contains(&ip) {
        return true;
    }
    match ip {
        IpAddr::V4(ip) => {
            ip.is_loopback()
                || ip.is_link_local()
                || ip.is_broadcast()
                || ip.is_multicast()
                || ip.octets()[0] == 0
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || embedded(ip).is_some_and(|ip| is_inside(IpAddr::V4(ip)))
        }
    }
}

/// The IPv4 address in a mapped, a compatible or a translated (NAT64, 6to4) one.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = ip.segments();
    let two = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0x2002, high, low, ..] => Some(two(high, low)),
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(two(high, low))
        }
        _ => None,
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
    fn a_user_in_the_address_is_refused() {
        let hosts = ["kestra.example.com".to_owned()];
        for url in [
            "https://rick@kestra.example.com",
            "https://:p@kestra.example.com",
        ] {
            assert!(message(Some(&hosts), url).contains("names a user"), "{url}");
        }
    }

    #[test]
    fn the_api_server_is_known_by_its_own_address() {
        let own = own("https://10.96.0.1/");
        assert_eq!(own, Some(("10.96.0.1".into(), 443)));
    }

    #[tokio::test]
    async fn an_address_is_its_own_resolution() {
        let six = resolve(&("[2001:db8::1]".into(), 443)).await.unwrap();
        assert_eq!(six, ["[2001:db8::1]:443".parse::<SocketAddr>().unwrap()]);
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
            "::127.0.0.1",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
            "100.100.100.200",
            "168.63.129.16",
            "fd00:ec2::254",
            "64:ff9b::169.254.169.254",
            "2002:7f00:1::",
        ] {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "93.184.216.34",
            "10.1.2.3",
            "2001:db8::1",
            "64:ff9b::10.1.2.3",
            "fd00::1",
        ] {
            assert!(!is_inside(outside.parse().unwrap()), "{outside}");
        }
    }
}
