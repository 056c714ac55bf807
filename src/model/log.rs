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
        let mut rest = head;
        while let Some(at) = rest.iter().position(u8::is_ascii_alphabetic) {
            rest = &rest[at..];
            let end = rest.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let level = match word {
                [letter] if rest.len() == head.len() && head.get(1..5).is_some_and(is_number) => match letter {
                    b'F' => Self::Fatal,
                    b'E' => Self::Error,
                    b'W' => Self::Warn,
                    b'I' => Self::Info,
                    _ => Self::Unknown,
                },
                word => Self::word(word),
            };
            if level != Self::Unknown {
                return level;
            }
            rest = after;
        }
        Self::Unknown
    }

    /// The level that a word names. Length and first letter leave one candidate.
    fn word(word: &[u8]) -> Self {
        let first = word.first().map_or(0, u8::to_ascii_lowercase);
        let (known, level): (&[u8], _) = match (word.len(), first) {
            (5, b'e') => (b"error", Self::Error),
            (3, b'e') => (b"err", Self::Error),
            (4, b'i') => (b"info", Self::Info),
            (4, b'w') => (b"warn", Self::Warn),
            (7, b'w') => (b"warning", Self::Warn),
            (5, b'd') => (b"debug", Self::Debug),
            (3, b'd') => (b"dbg", Self::Debug),
            (5, b't') => (b"trace", Self::Trace),
            (5, b'f') => (b"fatal", Self::Fatal),
            (5, b'p') => (b"panic", Self::Fatal),
            (4, b'c') => (b"crit", Self::Fatal),
            (8, b'c') => (b"critical", Self::Fatal),
            (6, b'n') => (b"notice", Self::Info),
            (6, b's') => (b"severe", Self::Error),
            _ => return Self::Unknown,
        };
        if known.eq_ignore_ascii_case(word) { level } else { Self::Unknown }
    }
}

fn is_number(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_digit)
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
        let slot = self.slot(stream);
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
        // A clean line holds no line feed: one may part them.
        self.text.push('\n');
        !self.full()
    }

    /// The place of a stream among those of the batch. Most lines are of the stream before.
    fn slot(&mut self, stream: &LogStream) -> usize {
        let last = self.lines.last().map(|line| usize::from(line.stream));
        if let Some(last) = last.filter(|last| self.streams.get(*last) == Some(stream)) {
            return last;
        }
        self.streams.iter().rposition(|known| known == stream).unwrap_or_else(|| {
            self.streams.push(stream.clone());
            self.streams.len() - 1
        })
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

    /// All lines' text, each with a line feed behind it.
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

    /// What [`Level::detect`] does, word by word and without haste.
    fn simply(line: &str) -> Level {
        let head = &line.as_bytes()[..line.len().min(160)];
        if let [letter @ (b'F' | b'E' | b'W' | b'I'), date @ ..] = head
            && date.len() >= 4
            && date[..4].iter().all(u8::is_ascii_digit)
        {
            let klog = [(b'F', Level::Fatal), (b'E', Level::Error), (b'W', Level::Warn), (b'I', Level::Info)];
            return klog.iter().find(|(known, _)| known == letter).unwrap().1;
        }
        let words = head.split(|byte| !byte.is_ascii_alphabetic()).map(|word| word.to_ascii_lowercase());
        let level = |word: Vec<u8>| match &*word {
            b"error" | b"err" | b"severe" => Some(Level::Error),
            b"info" | b"notice" => Some(Level::Info),
            b"warn" | b"warning" => Some(Level::Warn),
            b"debug" | b"dbg" => Some(Level::Debug),
            b"trace" => Some(Level::Trace),
            b"fatal" | b"panic" | b"crit" | b"critical" => Some(Level::Fatal),
            _ => None,
        };
        words.filter_map(level).next().unwrap_or(Level::Unknown)
    }

    proptest::proptest! {
        #[test]
        fn a_level_is_found_as_word_by_word(
            line in "([EWFI][0-9]{3,5} |[a-z0-9]{0,40}[ :=\"])?(.{0,30}|.{120,150})((?i)[ :\\[\"=_0-9é]?(error|err|info|warn|warning|debug|dbg|trace|fatal|panic|crit|critical|notice|severe|errors|in)[ :\\]\",0-9é]?){0,3}.{0,20}",
        ) {
            proptest::prop_assert_eq!(Level::detect(&line), simply(&line));
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
        assert_eq!(batch.text(), "one\nERROR two\n\n");
    }
}
