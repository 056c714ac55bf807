//! Bytes as they come cut into lines of bounded size.
//!
//! Owns: where a line ends, the cap on one that has no end, and bytes that are no UTF-8. Must
//! not: hold more than one line, or know what a line says.

use super::LINE_CAP;

/// What stands before a line on the wire, such as a timestamp and its blank, has room beside the
/// line's own [`LINE_CAP`].
const HEAD: usize = 64;

/// Cuts a body into lines. A line that came whole is handed on where it lies; only one that the
/// network cut in two is put together here.
#[derive(Debug, Default)]
pub struct Lines {
    line: Vec<u8>,
    dropped: usize,
}

impl Lines {
    /// Takes bytes in as they come; `take` gets each complete line, without its line feed. Bytes
    /// that are no UTF-8 become U+FFFD.
    pub fn push(&mut self, data: &[u8], mut take: impl FnMut(&str)) {
        let mut from = 0;
        for at in memchr::memchr_iter(b'\n', data) {
            let line = data.get(from..at).unwrap_or_default();
            from = at + 1;
            if self.line.is_empty() && self.dropped == 0 && line.len() <= LINE_CAP + HEAD {
                hand_on(line, &mut take);
            } else {
                self.add(line);
                self.end(&mut take);
            }
        }
        self.add(data.get(from..).unwrap_or_default());
    }

    /// The body is over: what is left is a line too.
    pub fn finish(&mut self, mut take: impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.end(&mut take);
        }
    }

    fn add(&mut self, data: &[u8]) {
        let room = (LINE_CAP + HEAD).saturating_sub(self.line.len()).min(data.len());
        let (kept, dropped) = data.split_at(room);
        self.line.extend_from_slice(kept);
        self.dropped = self.dropped.saturating_add(dropped.len());
    }

    fn end(&mut self, take: &mut impl FnMut(&str)) {
        if self.dropped > 0 {
            // Room for the marker within the cap, so that the cleaner does not cut it off.
            let keep = self.line.len().saturating_sub(2 * HEAD);
            let dropped = self.dropped + self.line.len() - keep;
            self.line.truncate(keep);
            self.line.extend_from_slice(format!("… [{dropped} more bytes]").as_bytes());
        }
        hand_on(&self.line, take);
        self.line.clear();
        self.dropped = 0;
    }
}

/// Nearly every line is UTF-8, and telling so is much quicker than mending it.
fn hand_on(line: &[u8], take: &mut impl FnMut(&str)) {
    match std::str::from_utf8(line) {
        Ok(line) => take(line),
        Err(_) => take(&String::from_utf8_lossy(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_megabyte_without_an_end_is_one_bounded_line() {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for _ in 0..1024 {
            lines.push(&[b'x'; 1024], |line| out.push(line.to_owned()));
            assert!(lines.line.capacity() < 8 * LINE_CAP);
        }
        lines.push(b"\nnext\nrest", |line| out.push(line.to_owned()));
        lines.finish(|line| out.push(line.to_owned()));
        assert_eq!(out.len(), 3);
        let kept = out[0].bytes().filter(|byte| *byte == b'x').count();
        assert!(out[0].ends_with(&format!("[{} more bytes]", 1024 * 1024 - kept)), "{}", &out[0][out[0].len() - 40..]);
        assert_eq!(out[1..], ["next", "rest"]);
    }

    #[test]
    fn a_long_line_is_cut_the_same_whether_it_comes_whole_or_in_pieces() {
        for length in [LINE_CAP, LINE_CAP + HEAD - 1, LINE_CAP + HEAD, LINE_CAP + HEAD + 1, 3 * LINE_CAP] {
            let body = ["a\n".to_owned(), "y".repeat(length), "\nb\n".to_owned()].concat();
            let cut = |size: usize| {
                let (mut lines, mut out) = (Lines::default(), Vec::new());
                for piece in body.as_bytes().chunks(size) {
                    lines.push(piece, |line| out.push(line.to_owned()));
                }
                out
            };
            assert_eq!(cut(body.len()), cut(1000), "{length}");
        }
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_network_cuts_them(log in "([a-zé ]{0,20}\n){0,6}[a-z]{0,5}", cut in 1usize..9) {
            let mut lines = Lines::default();
            let mut out = Vec::new();
            for piece in log.as_bytes().chunks(cut) {
                lines.push(piece, |line| out.push(line.to_owned()));
            }
            lines.finish(|line| out.push(line.to_owned()));
            let expected: Vec<String> = log.lines().map(str::to_owned).collect();
            prop_assert_eq!(out, expected);
        }
    }
}
