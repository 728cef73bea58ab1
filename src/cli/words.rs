//! Names on the command line, refused early and with the mend.

const LONGEST_NAME: usize = 63;

/// The domains whose labels and annotations mean something to Kubernetes itself, so that a user who may write them
/// could turn the Secret of a token into something else.
const RESERVED: [&str; 2] = ["kubernetes.io", "k8s.io"];

/// A name of a namespace or a Lease (RFC 1123 label).
pub fn name(text: &str) -> Result<String, String> {
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if is_word(text, |c| ends(c) || c == '-') && text.starts_with(ends) && text.ends_with(ends) {
        return Ok(text.to_owned());
    }
    Err(
        "write lower-case letters, digits and hyphens, a letter or digit at both ends, 63 at most"
            .to_owned(),
    )
}

/// What stands for a cluster in marks.
pub fn cluster_id(text: &str) -> Result<String, String> {
    if is_word(text, |c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Ok(text.to_owned());
    }
    Err("write letters, digits, '-', '_' and '.', 63 at most".to_owned())
}

/// How a replica is called.
pub fn identity(text: &str) -> Result<String, String> {
    cluster_id(text)
}

/// A host without scheme, port or path; compared in lower case.
pub fn host(text: &str) -> Result<String, String> {
    domain(text).ok_or_else(|| {
        "write a host alone, such as kestra.example.com: no scheme, no port, no path".to_owned()
    })
}

/// The domain of labels and annotations that users may set.
pub fn metadata_domain(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let domain = domain(text).ok_or("write a domain alone, such as reloader.stakater.com")?;
    let own = RESERVED
        .iter()
        .find(|own| domain == **own || domain.ends_with(&format!(".{own}")));
    match own {
        Some(own) => Err(format!(
            "{own} is Kubernetes' own: leave it out, users could change what a Secret is"
        )),
        None => Ok(domain),
    }
}

fn domain(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let good = text.len() <= 253 && text.split('.').all(|label| name(label).is_ok());
    good.then_some(text)
}

fn is_word(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("kestra-iam", true)]
    #[case("a", true)]
    #[case("", false)]
    #[case("Kestra", false)]
    #[case("-a", false)]
    #[case("a-", false)]
    #[case("a/b", false)]
    #[case("../x", false)]
    #[case("a\nb", false)]
    fn names_are_labels(#[case] text: &str, #[case] good: bool) {
        assert_eq!(name(text).is_ok(), good, "{text:?}");
        assert!(name(&"a".repeat(63)).is_ok() && name(&"a".repeat(64)).is_err());
    }

    #[rstest]
    #[case("a5f0c2d4-93a1-4a5e-8d3e-0b0b2f1f6d7a", true)]
    #[case("prod_eu.1", true)]
    #[case("prod eu", false)]
    #[case("", false)]
    fn cluster_ids_are_one_word(#[case] text: &str, #[case] good: bool) {
        assert_eq!(cluster_id(text).is_ok(), good, "{text:?}");
    }

    #[rstest]
    #[case("Kestra.Example.com", Ok("kestra.example.com"))]
    #[case("10.0.0.1", Ok("10.0.0.1"))]
    #[case("https://kestra.example.com", Err("no scheme"))]
    #[case("kestra.example.com:443", Err("no port"))]
    #[case("kestra..com", Err("host alone"))]
    fn hosts_stand_alone(#[case] text: &str, #[case] expected: Result<&str, &str>) {
        match expected {
            Ok(good) => assert_eq!(host(text).as_deref(), Ok(good)),
            Err(part) => assert!(host(text).unwrap_err().contains(part)),
        }
    }

    #[rstest]
    #[case("kubernetes.io")]
    #[case("node.kubernetes.io")]
    #[case("K8S.io")]
    fn kubernetes_own_domains_are_refused(#[case] text: &str) {
        assert!(
            metadata_domain(text)
                .unwrap_err()
                .contains("Kubernetes' own")
        );
    }

    #[test]
    fn other_domains_are_taken() {
        assert_eq!(
            metadata_domain("notkubernetes.io").as_deref(),
            Ok("notkubernetes.io")
        );
    }
}
