//! A watch's body cut into events, bounded.
//!
//! Owns: the two framings of a watch: one JSON object a line, or a four-byte big-endian length
//! before each protobuf event. Must not: hold more than one event that is not complete yet.

use bytes::{Buf as _, Bytes, BytesMut};

/// Largest event: etcd's own limit of an object is 1.5 MiB.
const EVENT_CAP: usize = 16 * 1024 * 1024;

/// How events are set apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// `json`: a line each.
    Lines,
    /// `vnd.kubernetes.protobuf;stream=watch`: a length before each.
    Lengths,
}

/// Cuts a body into events.
#[derive(Debug)]
pub(super) struct Frames {
    framing: Framing,
    buffer: BytesMut,
    /// Bytes at the buffer's start that hold no line break.
    searched: usize,
}

/// An event that is larger than any object can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {EVENT_CAP} bytes")]
pub(super) struct TooLarge;

impl Frames {
    /// Nothing was read yet.
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, buffer: BytesMut::new(), searched: 0 }
    }

    /// Takes bytes in as they come.
    pub(super) fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The next complete event.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, TooLarge> {
        match self.framing {
            Framing::Lines => self.line(),
            Framing::Lengths => self.counted(),
        }
    }

    fn line(&mut self) -> Result<Option<Bytes>, TooLarge> {
        loop {
            let Some(at) = self.buffer.get(self.searched..).and_then(|rest| memchr::memchr(b'\n', rest)) else {
                self.searched = self.buffer.len();
                return if self.searched > EVENT_CAP { Err(TooLarge) } else { Ok(None) };
            };
            let line = self.buffer.split_to(self.searched + at).freeze();
            self.buffer.advance(1);
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    fn counted(&mut self) -> Result<Option<Bytes>, TooLarge> {
        let Some(length) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > EVENT_CAP {
            return Err(TooLarge);
        }
        if self.buffer.len() < 4 + length {
            return Ok(None);
        }
        self.buffer.advance(4);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(frames: &mut Frames) -> Vec<Bytes> {
        std::iter::from_fn(|| frames.next().unwrap()).collect()
    }

    #[test]
    fn a_length_beyond_reason_is_refused_before_it_is_awaited() {
        let mut frames = Frames::new(Framing::Lengths);
        frames.push(&[0xff, 0, 0, 0]);
        assert_eq!(frames.next(), Err(TooLarge));
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut frames = Frames::new(Framing::Lines);
        for _ in 0..=16 {
            frames.push(&[b'x'; 1024 * 1024]);
        }
        assert_eq!(frames.next(), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_how_the_network_cuts_them(
            events in prop::collection::vec("[a-z]{1,40}", 0..8), cut in 1usize..9
        ) {
            let lines: Vec<u8> = events.iter().flat_map(|event| format!("{event}\n").into_bytes()).collect();
            let counted: Vec<u8> = events.iter().flat_map(|event| {
                let mut bytes = u32::try_from(event.len()).unwrap().to_be_bytes().to_vec();
                bytes.extend_from_slice(event.as_bytes());
                bytes
            }).collect();
            for (framing, body) in [(Framing::Lines, lines), (Framing::Lengths, counted)] {
                let mut frames = Frames::new(framing);
                let mut out = Vec::new();
                for piece in body.chunks(cut) {
                    frames.push(piece);
                    out.extend(all(&mut frames));
                }
                prop_assert_eq!(&out, &events);
            }
        }
    }
}
