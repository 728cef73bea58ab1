//! The backend's clock, as its `Date` headers tell it.

use jiff::SignedDuration;
use kestra_iam_operator::clock::Clock;
use kestra_iam_operator::iam::client::Client;

use crate::canned::{Answer, Canned, start};

const AHEAD: &str = "date: Sun, 01 Mar 2026 13:00:00 GMT\r\n";

#[tokio::test]
async fn an_answer_tells_how_far_the_backend_is_ahead() {
    let server = Canned::always(Answer::text(200, AHEAD, r#"{"id":"me"}"#)).await;
    let client = server.client();
    assert_eq!(client.clock_offset(), None);
    assert_eq!(client.backend_now(), start());
    client.me().await.unwrap();
    assert_eq!(client.clock_offset(), Some(SignedDuration::from_hours(1)));
    assert_eq!(
        client.backend_now(),
        start() + SignedDuration::from_hours(1)
    );
}

#[tokio::test]
async fn clocks_that_agree_to_the_second_have_no_offset() {
    let date = "date: Sun, 01 Mar 2026 12:00:00 GMT\r\n";
    let server = Canned::always(Answer::text(200, date, r#"{"id":"me"}"#)).await;
    let mut config = server.config();
    config.clock = Clock::manual(start() + SignedDuration::from_millis(700));
    let client = Client::new(&config).unwrap();
    client.me().await.unwrap();
    assert_eq!(client.clock_offset(), Some(SignedDuration::ZERO));
}

#[tokio::test]
async fn only_the_api_sets_the_clock() {
    for answer in [
        Answer::text(502, AHEAD, ""),
        Answer::text(401, AHEAD, ""),
        Answer::text(200, AHEAD, "<html>Sign in</html>"),
        Answer::text(200, "date: yesterday\r\n", r#"{"id":"me"}"#),
        Answer::text(200, "", r#"{"id":"me"}"#),
    ] {
        let server = Canned::always(answer).await;
        let client = server.client();
        client.me().await.ok();
        assert_eq!(client.clock_offset(), None);
    }
}
