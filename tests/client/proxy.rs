//! The proxy that the environment names.

use kestra_iam_operator::iam::client::Client;
use tokio::process::Command;

use crate::canned::{Answer, Canned, config};

const CHILD: &str = "CLIENT_TEST_BACKEND";

/// Proxies are read from the environment of the process, so the test starts itself once more in another one.
#[tokio::test]
async fn the_environments_proxy_is_used() {
    if let Ok(backend) = std::env::var(CHILD) {
        let me = Client::new(&config(&backend)).unwrap().me().await.unwrap();
        assert_eq!(me.id.as_str(), "behind-the-proxy");
        return;
    }
    let proxy = Canned::always(Answer::text(200, "", r#"{"id":"behind-the-proxy"}"#)).await;
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "proxy::the_environments_proxy_is_used"])
        .env(CHILD, "http://kestra.invalid")
        .env("HTTP_PROXY", &proxy.url)
        .env("http_proxy", &proxy.url)
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .await
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );
    assert_eq!(proxy.seen()[0].target, "http://kestra.invalid/api/v1/me");
}
