//! HTTP/1.1 messages as bytes on a socket (RFC 9112): heads, and bodies piece by piece.
//!
//! Owns: the three framings. Must not: repair anything; what is cut or wrong is an error.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// The start line and the headers, in order.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) first: String,
    pub(super) headers: Vec<(String, String)>,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    /// With the connection.
    Close,
}

/// A body that is being read.
pub(super) struct Pieces<R> {
    pub(super) reader: R,
    framing: Framing,
    over: bool,
}

impl Head {
    /// The next head; `None` if the other side closed instead.
    pub(super) async fn read(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).await? == 0 {
                return if lines.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            let line = line.trim_end().to_owned();
            match (line.is_empty(), lines.is_empty()) {
                (true, true) => {}
                (true, false) => break,
                (false, _) => lines.push(line),
            }
        }
        let first = lines.remove(0);
        let headers = lines.iter().filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned())).collect();
        Ok(Some(Self { first, headers }))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn without(mut self, names: &[&str]) -> Self {
        self.headers.retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn framing(&self, otherwise: Framing) -> Framing {
        if self.get("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            return Framing::Chunked;
        }
        self.get("content-length").and_then(|length| length.parse().ok()).map_or(otherwise, Framing::Length)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{}\r\n{headers}\r\n", self.first).into_bytes()
    }
}

impl<R: AsyncBufRead + Unpin> Pieces<R> {
    pub(super) fn new(reader: R, framing: Framing) -> Self {
        Self { reader, framing, over: framing == Framing::Length(0) }
    }

    /// What came next; a chunk is one piece. `None` at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.over {
            return Ok(None);
        }
        match &mut self.framing {
            Framing::Chunked => {
                let mut line = String::new();
                if self.reader.read_line(&mut line).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let size = usize::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16)
                    .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                let mut piece = vec![0; size + 2];
                self.reader.read_exact(&mut piece).await?;
                piece.truncate(size);
                self.over = size == 0;
                Ok((size > 0).then_some(piece))
            }
            Framing::Length(left) => {
                let mut piece = vec![0; usize::try_from(*left).unwrap_or(usize::MAX).min(64 * 1024)];
                let count = self.reader.read(&mut piece).await?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                piece.truncate(count);
                *left -= count as u64;
                self.over = *left == 0;
                Ok(Some(piece))
            }
            Framing::Close => {
                let mut piece = vec![0; 64 * 1024];
                let count = self.reader.read(&mut piece).await?;
                piece.truncate(count);
                Ok((count > 0).then_some(piece))
            }
        }
    }

    /// All that is left.
    pub(super) async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await? {
            all.extend(piece);
        }
        Ok(all)
    }
}

/// A piece as a chunk.
pub(super) fn chunk(piece: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}
