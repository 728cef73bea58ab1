//! Addresses on the command line.

use std::net::SocketAddr;

/// Reads `127.0.0.1:8080` or `[::1]:8080`: an address and a port, no name.
pub fn parse(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write ADDRESS:PORT with an IP address, such as 127.0.0.1:8080, or 0.0.0.0:8080 for all interfaces".to_owned()
    })
}

#[test]
fn an_address_has_a_port() {
    assert!(parse("127.0.0.1:8080").is_ok() && parse("[::]:0").is_ok());
    for text in ["8081", ":8081", "localhost:8081", "127.0.0.1", ""] {
        assert!(
            parse(text).unwrap_err().contains("127.0.0.1:8080"),
            "{text}"
        );
    }
}
