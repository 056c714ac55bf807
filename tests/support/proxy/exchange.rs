//! One connection of the proxy: each request, what the script does to it, and its answer.
//!
//! Owns: the faults as bytes. Must not: decide which request meets which.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::Instant;

use super::wire::{Framing, Head, Pieces, chunk};
use super::{Asked, Canned, Fault, Grip, Shared, lock};

type Reader = BufReader<OwnedReadHalf>;

/// One connection, request after request. An error is a connection that ended.
pub(super) async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(head) = Head::read(&mut reader).await? {
        let framing = head.framing(Framing::Length(0));
        if head.get("expect").is_some() {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body = Pieces::new(&mut reader, framing).rest().await?;
        let mut words = head.first.split(' ').map(str::to_owned);
        let mut asked = Asked {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            headers: head.headers.clone(),
            body,
            at: Instant::now(),
            met: None,
            delivered: 0,
            given: 0,
        };
        let fault = pick(shared, &mut asked);
        let number = {
            let mut log = lock(&shared.asked);
            log.push(asked.clone());
            log.len() - 1
        };
        let mut exchange = Exchange { shared, number, head, asked, reader: &mut reader, writer: &mut writer };
        if exchange.act(fault).await?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

fn pick(shared: &Shared, asked: &mut Asked) -> Option<Fault> {
    for rule in lock(&shared.rules).iter_mut().filter(|rule| rule.times > 0) {
        if !(rule.when)(asked) {
            continue;
        }
        if rule.skip > 0 {
            rule.skip -= 1;
            continue;
        }
        rule.times = rule.times.saturating_sub(usize::from(rule.times != usize::MAX));
        asked.met = Some(rule.name);
        return Some(rule.fault.clone());
    }
    None
}

struct Exchange<'a> {
    shared: &'a Shared,
    number: usize,
    head: Head,
    asked: Asked,
    reader: &'a mut Reader,
    writer: &'a mut OwnedWriteHalf,
}

type Turn = io::Result<ControlFlow<()>>;
const NEXT: Turn = Ok(ControlFlow::Continue(()));
const END: Turn = Ok(ControlFlow::Break(()));

impl Exchange<'_> {
    async fn act(&mut self, fault: Option<Fault>) -> Turn {
        let Some(fault) = fault else { return self.relay(usize::MAX, Grip::Cut).await };
        match fault {
            Fault::Late(wait) => {
                tokio::time::sleep(wait).await;
                self.relay(usize::MAX, Grip::Cut).await
            }
            Fault::LateAnswer(wait) => {
                let (head, body) = self.whole().await?;
                tokio::time::sleep(wait).await;
                self.give(&head, &body).await
            }
            Fault::Answer(canned) => self.canned(&canned).await,
            Fault::AnswerAfter(canned) => {
                self.whole().await?;
                self.canned(&canned).await
            }
            Fault::Reset => {
                // Data that was not read, or no time to linger: either makes it a reset.
                self.writer.as_ref().set_zero_linger()?;
                END
            }
            Fault::Drop => END,
            Fault::DropAnswer => {
                self.whole().await?;
                END
            }
            Fault::Silent => self.stand().await,
            Fault::SilentAfter => {
                self.whole().await?;
                self.stand().await
            }
            Fault::CutHead(count) => {
                let (head, _) = self.forward().await?;
                let bytes = head.bytes();
                self.writer.write_all(bytes.get(..count).unwrap_or(&bytes)).await?;
                END
            }
            Fault::Cut(count) => self.relay(count, Grip::Cut).await,
            Fault::Freeze(count) => self.relay(count, Grip::Frozen).await,
            Fault::Truncate(count) => self.relay(count, Grip::Free).await,
            Fault::Drip(every) => self.drip(every).await,
            Fault::Endless(media, fill) => self.endless(media, fill).await,
            Fault::Double => self.double().await,
            Fault::Replay => {
                let known = lock(&self.shared.last).get(&question(&self.asked)).cloned();
                match known {
                    Some((head, body)) => self.give(&head, &body).await,
                    None => self.relay(usize::MAX, Grip::Cut).await,
                }
            }
            Fault::Twice => {
                self.whole().await?;
                self.relay(usize::MAX, Grip::Cut).await
            }
            Fault::Length(by) => {
                let (head, body) = self.whole().await?;
                let length = (body.len() as i64 + by).max(0);
                let head = plain(head).with("content-length", length.to_string());
                self.writer.write_all(&[head.bytes(), body].concat()).await?;
                END
            }
            Fault::Media(media) => {
                let (head, body) = self.whole().await?;
                self.give(&head.without(&["content-type"]).with("content-type", media), &body).await
            }
            Fault::Gzip => {
                let (head, _) = self.whole().await?;
                let body = b"\x1f\x8b\x08\0\0\0\0\0\0\xff and then none of it".to_vec();
                self.give(&head.with("content-encoding", "gzip"), &body).await
            }
        }
    }

    /// Hands the request to the server: its answer's head and body.
    async fn forward(&mut self) -> io::Result<(Head, Pieces<BufReader<TcpStream>>)> {
        let mut stream = TcpStream::connect(&self.shared.upstream).await?;
        stream.set_nodelay(true)?;
        let head = plain(self.head.clone()).without(&["connection", "expect"]).with("connection", "close");
        let head = head.with("content-length", self.asked.body.len().to_string());
        if let Some(asked) = lock(&self.shared.asked).get_mut(self.number) {
            asked.delivered += 1;
        }
        stream.write_all(&[head.bytes(), self.asked.body.clone()].concat()).await?;
        let mut reader = BufReader::new(stream);
        let head = Head::read(&mut reader).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let framing = if head.first.contains(" 204") || head.first.contains(" 304") {
            Framing::Length(0)
        } else {
            head.framing(Framing::Close)
        };
        Ok((head.without(&["connection"]), Pieces::new(reader, framing)))
    }

    async fn whole(&mut self) -> io::Result<(Head, Vec<u8>)> {
        let (head, mut body) = self.forward().await?;
        let body = body.rest().await?;
        Ok((head, body))
    }

    async fn canned(&mut self, canned: &Canned) -> Turn {
        let headers = canned.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let head = Head { first: format!("HTTP/1.1 {} As The Test Says", canned.status), headers };
        self.give(&head, &canned.body).await
    }

    async fn give(&mut self, head: &Head, body: &[u8]) -> Turn {
        let head = plain(head.clone()).with("content-length", body.len().to_string());
        self.writer.write_all(&[head.bytes(), body.to_vec()].concat()).await?;
        NEXT
    }

    /// Nothing comes, until the other side has enough of it.
    async fn stand(&mut self) -> Turn {
        let mut byte = [0];
        while self.reader.read(&mut byte).await? > 0 {}
        END
    }

    /// Hands the answer on as it comes; after `most` bytes of its body it is cut, frozen, or
    /// (`Free`) ended as if that were all.
    async fn relay(&mut self, most: usize, then: Grip) -> Turn {
        let (head, mut body) = self.forward().await?;
        let (hold, mut grip) = watch::channel(Grip::Free);
        lock(&self.shared.standing).insert(self.number, hold);
        let _standing = Standing(self.shared, self.number);
        let mut kept = (!self.asked.streams()).then(Vec::new);
        self.writer.write_all(&plain(head.clone()).with("transfer-encoding", "chunked").bytes()).await?;
        let mut given = 0;
        let end = loop {
            let mut gone = [0];
            let piece = tokio::select! {
                biased;
                held = held(&mut grip) => break held,
                piece = body.next() => piece?,
                // The client hung up: so does the server's side.
                read = self.reader.read(&mut gone) => { read?; return END }
            };
            let Some(piece) = piece else {
                self.writer.write_all(&chunk(b"")).await?;
                if let Some(kept) = kept {
                    lock(&self.shared.last).insert(question(&self.asked), (head, kept));
                }
                return NEXT;
            };
            if given + piece.len() > most {
                let cut = &chunk(&piece)[..];
                let start = cut.len() - piece.len() - 2;
                match then {
                    Grip::Free if most == given => {}
                    Grip::Free => self.writer.write_all(&chunk(&piece[..most - given])).await?,
                    _ => self.writer.write_all(&cut[..start + most - given]).await?,
                }
                break then;
            }
            given += piece.len();
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(&piece);
            }
            self.writer.write_all(&chunk(&piece)).await?;
        };
        match end {
            Grip::Free => {
                self.writer.write_all(&chunk(b"")).await?;
                END
            }
            Grip::Frozen => self.stand().await,
            Grip::Cut => END,
        }
    }

    async fn drip(&mut self, every: Duration) -> Turn {
        let (head, mut body) = self.forward().await?;
        self.writer.write_all(&plain(head).with("transfer-encoding", "chunked").bytes()).await?;
        while let Some(piece) = body.next().await? {
            for byte in piece {
                self.writer.write_all(&chunk(&[byte])).await?;
                tokio::time::sleep(every).await;
            }
        }
        self.writer.write_all(&chunk(b"")).await?;
        NEXT
    }

    async fn endless(&mut self, media: &str, fill: &[u8]) -> Turn {
        let head = Head { first: "HTTP/1.1 200 OK".into(), headers: vec![("content-type".into(), media.into())] };
        self.writer.write_all(&head.with("transfer-encoding", "chunked").bytes()).await?;
        let piece = chunk(&fill.repeat((64 * 1024 / fill.len()).max(1)));
        let (hold, _) = watch::channel(Grip::Free);
        lock(&self.shared.standing).insert(self.number, hold);
        let _standing = Standing(self.shared, self.number);
        loop {
            self.writer.write_all(&piece).await?;
            if let Some(asked) = lock(&self.shared.asked).get_mut(self.number) {
                asked.given += piece.len();
            }
        }
    }

    async fn double(&mut self) -> Turn {
        let (head, mut body) = self.forward().await?;
        self.writer.write_all(&plain(head).with("transfer-encoding", "chunked").bytes()).await?;
        loop {
            let mut gone = [0];
            let piece = tokio::select! {
                piece = body.next() => piece?,
                read = self.reader.read(&mut gone) => { read?; return END }
            };
            let Some(piece) = piece else { break };
            self.writer.write_all(&chunk(&piece).repeat(2)).await?;
        }
        self.writer.write_all(&chunk(b"")).await?;
        NEXT
    }
}

/// What is asked, whatever the time: two requests that differ in figures alone ask the same.
fn question(asked: &Asked) -> String {
    let body = String::from_utf8_lossy(&asked.body);
    let text = [&asked.target, asked.header("x-amz-target"), &body].concat();
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// Somebody took a grip on the answer.
async fn held(grip: &mut watch::Receiver<Grip>) -> Grip {
    let held = grip.wait_for(|grip| *grip != Grip::Free).await.map(|grip| *grip);
    match held {
        Ok(held) => held,
        Err(_) => std::future::pending().await,
    }
}

/// A head whose body's framing is still to be said.
fn plain(head: Head) -> Head {
    head.without(&["content-length", "transfer-encoding"])
}

/// Takes an answer out of those under way.
struct Standing<'a>(&'a Shared, usize);

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        lock(&self.0.standing).remove(&self.1);
    }
}
