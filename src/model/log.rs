//! Lines of logs in bulk: one buffer of clean text and a compact index, never a `String` a line.

use crate::clock::World;
use crate::text::{LINE_CAP, Safe, clean_into};

/// A batch ends when its text reaches this many bytes, so that no message is large.
pub const BATCH_BYTES: usize = 256 * 1024;

/// Where lines come from within a source: a log group and stream, or a pod and container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogStream {
    /// The log group, or `namespace/workload` for pods.
    pub group: Safe,
    /// The log stream, or `pod/container`.
    pub name: Safe,
}

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the field's own")]
pub enum Level {
    Unknown,
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    /// The level as log lines write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "-",
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// Finds the level in the first 160 bytes of a line: a whole word such as `ERROR`, `warn`,
    /// `E1121` (klog) or the value of a `level` key in JSON and logfmt.
    pub fn detect(line: &str) -> Self {
        let head = line.as_bytes();
        let head = &head[..head.len().min(160)];
        let mut at = 0;
        while at < head.len() {
            if !head[at].is_ascii_alphabetic() {
                at += 1;
                continue;
            }
            let end = head[at..].iter().position(|byte| !byte.is_ascii_alphabetic()).map_or(head.len(), |n| at + n);
            let level = match end - at {
                1 if at == 0 && head.get(1..5).is_some_and(|date| date.iter().all(u8::is_ascii_digit)) => match head[0]
                {
                    b'F' => Self::Fatal,
                    b'E' => Self::Error,
                    b'W' => Self::Warn,
                    b'I' => Self::Info,
                    _ => Self::Unknown,
                },
                3..=8 => Self::word(&head[at..end]),
                _ => Self::Unknown,
            };
            if level != Self::Unknown {
                return level;
            }
            at = end;
        }
        Self::Unknown
    }

    fn word(word: &[u8]) -> Self {
        const WORDS: [(&[u8], Level); 14] = [
            (b"error", Level::Error),
            (b"err", Level::Error),
            (b"info", Level::Info),
            (b"warn", Level::Warn),
            (b"warning", Level::Warn),
            (b"debug", Level::Debug),
            (b"dbg", Level::Debug),
            (b"trace", Level::Trace),
            (b"fatal", Level::Fatal),
            (b"panic", Level::Fatal),
            (b"crit", Level::Fatal),
            (b"critical", Level::Fatal),
            (b"notice", Level::Info),
            (b"severe", Level::Error),
        ];
        WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map_or(Self::Unknown, |(_, level)| *level)
    }
}

/// One line's place in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineIndex {
    /// Milliseconds since the Unix epoch, by the system that keeps the log.
    pub at_ms: i64,
    /// First byte in the batch's text.
    pub start: u32,
    /// Byte after the last.
    pub end: u32,
    /// Index into the batch's streams.
    pub stream: u16,
    /// The level found in it.
    pub level: Level,
}

/// Clean lines of one source, in the order of arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogBatch {
    streams: Vec<LogStream>,
    text: String,
    lines: Vec<LineIndex>,
}

impl LogBatch {
    /// Cleans `raw` and appends it as a line of `stream`. Returns `false` when the batch is full
    /// and should be sent; the line was taken all the same.
    pub fn push(&mut self, stream: &LogStream, at: World, raw: &str) -> bool {
        let slot = match self.streams.iter().rposition(|known| known == stream) {
            Some(slot) => slot,
            None => {
                self.streams.push(stream.clone());
                self.streams.len() - 1
            }
        };
        let start = self.text.len();
        clean_into(&mut self.text, raw, LINE_CAP);
        let level = Level::detect(&self.text[start..]);
        // A batch is far below 4 GiB and holds far fewer than 65,536 streams: see `full`.
        self.lines.push(LineIndex {
            at_ms: at.timestamp_millis(),
            start: start as u32,
            end: self.text.len() as u32,
            stream: slot as u16,
            level,
        });
        !self.full()
    }

    /// Whether it is time to send this batch and start another.
    pub fn full(&self) -> bool {
        self.text.len() >= BATCH_BYTES || self.streams.len() >= 4096 || self.lines.len() >= 16 * 1024
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// The streams that lines refer to.
    pub fn streams(&self) -> &[LogStream] {
        &self.streams
    }

    /// The places of all lines.
    pub fn index(&self) -> &[LineIndex] {
        &self.lines
    }

    /// All lines' text, without separators.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lines with their places.
    pub fn iter(&self) -> impl Iterator<Item = (&LineIndex, &LogStream, &str)> {
        self.lines.iter().map(|line| {
            (line, &self.streams[usize::from(line.stream)], &self.text[line.start as usize..line.end as usize])
        })
    }

    /// The parts, for a store that keeps them.
    pub fn into_parts(self) -> (Vec<LogStream>, String, Vec<LineIndex>) {
        (self.streams, self.text, self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_the_usual_shapes() {
        for (line, level) in [
            ("2026-11-21T03:14:07Z ERROR payments: timed out", Level::Error),
            (r#"{"ts":1,"level":"warn","msg":"retry"}"#, Level::Warn),
            ("level=info msg=ok", Level::Info),
            ("E1121 03:14:07.1 controller.go:1] sync failed", Level::Error),
            ("[notice] workerEnv.init() ok", Level::Info),
            ("terrorism is not an error-free word", Level::Error),
            ("nothing here", Level::Unknown),
            ("", Level::Unknown),
        ] {
            assert_eq!(Level::detect(line), level, "{line}");
        }
    }

    #[test]
    fn a_batch_keeps_lines_and_streams_apart() {
        let at = World::from_timestamp(1_795_000_000, 0).unwrap();
        let a = LogStream { group: "g".into(), name: "a".into() };
        let b = LogStream { group: "g".into(), name: "b".into() };
        let mut batch = LogBatch::default();
        assert!(batch.push(&a, at, "one"));
        assert!(batch.push(&b, at, "ERROR two\u{1b}[2J"));
        assert!(batch.push(&a, at, ""));
        let lines: Vec<_> = batch.iter().map(|(line, stream, text)| (stream.name.as_str(), text, line.level)).collect();
        assert_eq!(lines, [("a", "one", Level::Unknown), ("b", "ERROR two", Level::Error), ("a", "", Level::Unknown)]);
    }
}
