//! Bodies that flow: nothing is kept longer than a piece of it takes to be passed on.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Error;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// The body of an answer, fed by whoever holds its [`Tap`].
pub(super) struct Flow(mpsc::Receiver<Result<Frame<Bytes>, Error>>);

/// Where a body comes from.
pub(super) struct Tap(mpsc::Sender<Result<Frame<Bytes>, Error>>);

/// Nobody reads any more.
pub(super) struct Gone;

impl Body for Flow {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.poll_recv(cx)
    }
}

/// One piece at a time: what is taken has been passed on before the next one comes.
pub(super) fn flow() -> (Tap, Flow) {
    let (sender, receiver) = mpsc::channel(1);
    (Tap(sender), Flow(receiver))
}

impl Tap {
    /// Sends a piece.
    pub(super) async fn send(&self, piece: Bytes) -> Result<(), Gone> {
        self.frame(Ok(Frame::data(piece))).await
    }

    /// Ends the connection without ending the body.
    pub(super) async fn fail(&self, why: Error) {
        let _ = self.frame(Err(why)).await;
    }

    /// Waits until nobody reads any more.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }

    async fn frame(&self, frame: Result<Frame<Bytes>, Error>) -> Result<(), Gone> {
        self.0.send(frame).await.map_err(|_| Gone)
    }
}

/// All of a body.
pub(super) async fn whole(body: Incoming) -> Result<Bytes, Error> {
    Ok(body.collect().await?.to_bytes())
}

/// Passes everything on as it comes.
pub(super) async fn pass(mut from: Incoming, to: Tap) {
    while let Some(frame) = from.frame().await {
        if to.frame(frame.map_err(Error::from)).await.is_err() {
            return;
        }
    }
}

/// Passes so many bytes on and fails then.
pub(super) async fn cut(bytes: Bytes, limit: usize, to: Tap) {
    let kept = bytes.slice(..limit.min(bytes.len()));
    if to.send(kept).await.is_ok() {
        to.fail(anyhow::anyhow!("cut off by the gate")).await;
    }
}

/// Passes on byte by byte.
pub(super) async fn drip(bytes: Bytes, pause: Duration, to: Tap) {
    for at in 0..bytes.len() {
        if to.send(bytes.slice(at..=at)).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = to.closed() => return,
        }
    }
}

/// Sends the same piece again and again.
pub(super) async fn repeat(piece: Bytes, times: usize, to: Tap) {
    for _ in 0..times {
        if to.send(piece.clone()).await.is_err() {
            return;
        }
    }
}
