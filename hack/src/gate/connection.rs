//! A caller's connection: each request gets its verdict.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::body::{self, Flow, flow};
use super::forward::Way;
use super::rule::Rule;
use super::stream::Stream;
use super::verdict::{Answer, Verdict};
use super::{Inner, events, never, record};

/// How a connection ends that the gate ends.
enum End {
    Reset,
    EndlessHead(Duration),
}

/// What the requests of one connection share.
struct Link {
    gate: Arc<Inner>,
    way: Way,
    end: mpsc::UnboundedSender<End>,
}

pub(super) async fn accept(listener: TcpListener, gate: Arc<Inner>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, Arc::clone(&gate)));
    }
}

async fn serve(stream: TcpStream, gate: Arc<Inner>) {
    let mut resets = gate.reset.subscribe();
    let Ok(stream) = gate.acceptor.accept(stream).await else {
        return;
    };
    let (end, mut ends) = mpsc::unbounded_channel();
    let link = Arc::new(Link {
        gate,
        way: Way::default(),
        end,
    });
    let service = service_fn(move |request| {
        let link = Arc::clone(&link);
        async move { Ok::<_, Infallible>(link.answer(request).await) }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let end = tokio::select! {
        _ = &mut connection => return,
        end = ends.recv() => end,
        _ = resets.changed() => Some(End::Reset),
    };
    let stream = connection.into_parts().io.into_inner();
    match end {
        Some(End::EndlessHead(pause)) => endless_head(stream, pause).await,
        _ => stream.reset(),
    }
}

async fn endless_head(mut stream: Stream, pause: Duration) {
    let mut next = b"HTTP/1.1 200 OK\r\nx-endless: ".as_slice();
    while stream.write_all(&next[..1]).await.is_ok() && stream.flush().await.is_ok() {
        next = if next.len() > 1 { &next[1..] } else { b"a" };
        sleep(pause).await;
    }
}

impl Link {
    async fn answer(&self, request: Request<Incoming>) -> Response<Flow> {
        let (head, body) = request.into_parts();
        let request = self.gate.record.arrived(&head);
        let under_way = (!request.is_watch()).then(|| self.gate.record.under_way());
        let (verdict, rule) = self.gate.requests.verdict(&request);
        let asked = Asked {
            link: self,
            head,
            request,
            rule,
        };
        let answer = async {
            let body = body::whole(body).await?;
            asked.judged(verdict, body).await
        };
        let answer = match answer.await {
            Ok(answer) => answer,
            // The server can't be reached, or broke off: so it looks to the caller.
            Err(_) => self.end(End::Reset).await,
        };
        drop(under_way);
        answer
    }

    /// Ends the connection; there is no answer any more.
    async fn end<T>(&self, how: End) -> T {
        let _ = self.end.send(how);
        never().await
    }
}

/// One request on its way.
struct Asked<'a> {
    link: &'a Link,
    head: Parts,
    request: record::Request,
    rule: Rule,
}

impl Asked<'_> {
    async fn judged(&self, verdict: Verdict, body: Bytes) -> Result<Response<Flow>> {
        match verdict {
            Verdict::Pass => {
                let answer = self.forward(body).await?;
                self.rule.note_reached();
                Ok(self.relay(answer))
            }
            Verdict::Delay(pause) => {
                self.rule.note_reached();
                sleep(pause).await;
                Ok(self.relay(self.forward(body).await?))
            }
            Verdict::HoldBefore => {
                self.rule.hold().await;
                Ok(self.relay(self.forward(body).await?))
            }
            Verdict::Late => self.late(body).await,
            Verdict::Ask(edit) => {
                let answer = self.forward(edit.apply(body)).await?;
                self.rule.note_reached();
                Ok(self.relay(answer))
            }
            Verdict::Refuse => {
                self.rule.note_reached();
                self.link.end(End::Reset).await
            }
            Verdict::Never => {
                self.rule.note_reached();
                never().await
            }
            Verdict::EndlessHead(pause) => {
                self.rule.note_reached();
                self.link.end(End::EndlessHead(pause)).await
            }
            Verdict::Answer(answer) => {
                self.note_status(answer.status);
                self.rule.note_reached();
                made_up(answer)
            }
            about_the_answer => self.after(about_the_answer, body).await,
        }
    }

    /// The verdicts about the answer of a server that has acted.
    async fn after(&self, verdict: Verdict, body: Bytes) -> Result<Response<Flow>> {
        let answer = self.forward(body).await?;
        if self.request.is_watch() {
            return self.after_watch(verdict, answer).await;
        }
        let (head, body) = answer.into_parts();
        let body = body::whole(body).await?;
        if let Verdict::HoldAfter = verdict {
            self.rule.hold().await;
        } else {
            self.rule.note_reached();
        }
        let (tap, flow) = flow();
        let mut answer = outgoing(head, flow);
        match verdict {
            Verdict::Lose => return self.link.end(End::Reset).await,
            Verdict::Replace(other) => return made_up(other),
            Verdict::Cut(limit) => spawn(body::cut(body, limit, tap)),
            Verdict::Drip(pause) => spawn(body::drip(body, pause, tap)),
            Verdict::Edit(edit) => {
                let body = edit.apply(body);
                let length = HeaderValue::from(body.len());
                answer.headers_mut().insert(header::CONTENT_LENGTH, length);
                spawn(body::repeat(body, 1, tap));
            }
            _ => spawn(body::repeat(body, 1, tap)),
        }
        Ok(answer)
    }

    /// A watch has acted once it begins.
    async fn after_watch(
        &self,
        verdict: Verdict,
        answer: Response<Incoming>,
    ) -> Result<Response<Flow>> {
        match verdict {
            Verdict::HoldAfter => self.rule.hold().await,
            Verdict::Lose => {
                self.rule.note_reached();
                return self.link.end(End::Reset).await;
            }
            Verdict::Replace(other) => {
                self.rule.note_reached();
                return made_up(other);
            }
            _ => self.rule.note_reached(),
        }
        Ok(self.relay(answer))
    }

    async fn late(&self, body: Bytes) -> Result<Response<Flow>> {
        let (gate, rule, head) = (
            Arc::clone(&self.link.gate),
            self.rule.clone(),
            self.head.clone(),
        );
        let number = self.request.number;
        let arrival = tokio::spawn(async move {
            rule.hold().await;
            // The caller's connection may have gone.
            let answer = Way::default().send(&gate.target, &head, body).await?;
            gate.record.answered(number, answer.status().as_u16());
            Ok::<_, anyhow::Error>(answer)
        });
        Ok(self.relay(arrival.await??))
    }

    async fn forward(&self, body: Bytes) -> Result<Response<Incoming>> {
        let Link { gate, way, .. } = self.link;
        let answer = way.send(&gate.target, &self.head, body).await?;
        self.note_status(answer.status().as_u16());
        Ok(answer)
    }

    /// The answer as it flows in.
    fn relay(&self, answer: Response<Incoming>) -> Response<Flow> {
        let (head, body) = answer.into_parts();
        let (tap, flow) = flow();
        if self.request.is_watch() && head.status == StatusCode::OK {
            let (gate, path) = (Arc::clone(&self.link.gate), self.request.path.clone());
            spawn(async move {
                // Whether the watch ended or its caller went makes no difference here.
                let _ = events::relay(&gate.events, &path, body, &tap).await;
            });
        } else {
            spawn(body::pass(body, tap));
        }
        outgoing(head, flow)
    }

    fn note_status(&self, status: u16) {
        self.link.gate.record.answered(self.request.number, status);
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

fn outgoing(mut head: http::response::Parts, body: Flow) -> Response<Flow> {
    // They speak of the other connection.
    for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    Response::from_parts(head, body)
}

fn made_up(answer: Answer) -> Result<Response<Flow>> {
    let (tap, flow) = flow();
    let mut response = Response::new(flow);
    *response.status_mut() = StatusCode::from_u16(answer.status)?;
    for (name, value) in &answer.headers {
        let (name, value): (HeaderName, HeaderValue) = (name.parse()?, value.parse()?);
        response.headers_mut().append(name, value);
    }
    if answer.times == 1 {
        let length = HeaderValue::from(answer.body.len());
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
    }
    spawn(body::repeat(answer.body, answer.times, tap));
    Ok(response)
}
