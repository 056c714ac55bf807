//! A page of a protobuf list, taken apart as it comes.
//!
//! Owns: the envelope, the list's metadata and its items, read from the wire one by one: of 10 MB
//! in a page no more than one object is held, and the token of the next page is known before the
//! first item has come. Must not: know what an object means.
//!
//! The shape is `k8s\0`, then a `runtime.Unknown` whose field 2 holds the list: `metadata` in
//! field 1, `items` in field 2 (`k8s.io/api/*/generated.proto`).

use bytes::{Buf as _, BytesMut};
use prost::Message as _;

use super::wire::{ListMeta, MAGIC, Malformed, Object};

/// Largest object: etcd's own limit is 1.5 MiB.
const OBJECT_CAP: u64 = 16 * 1024 * 1024;
/// Largest page: far beyond what 500 objects are, and what keeps a server that never ends from
/// being read for ever.
const PAGE_CAP: u64 = 1024 * 1024 * 1024;
/// A tag or a length takes at most so many bytes.
const VARINT: usize = 10;

/// What comes next in a list.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<T> {
    /// Where the next page begins, and what to watch from.
    Meta(ListMeta),
    /// One object.
    Item(T),
}

/// Takes a page apart.
#[derive(Debug)]
pub(super) struct Pages {
    buffer: BytesMut,
    at: At,
    /// Bytes of the page that came so far.
    came: u64,
}

/// Where in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    /// Among the envelope's fields; whether the list was among them.
    Envelope {
        listed: bool,
    },
    /// Within the list, with so many bytes of it to come.
    List {
        left: u64,
    },
}

impl Pages {
    /// Nothing was read yet.
    pub(super) fn new() -> Self {
        Self { buffer: BytesMut::new(), at: At::Start, came: 0 }
    }

    /// Takes bytes in as they come.
    pub(super) fn push(&mut self, data: &[u8]) -> Result<(), Malformed> {
        self.came += data.len() as u64;
        if self.came > PAGE_CAP {
            return Err(Malformed(format!("a page is larger than {PAGE_CAP} bytes")));
        }
        self.buffer.extend_from_slice(data);
        Ok(())
    }

    /// The next piece that is complete.
    pub(super) fn next<T: Object>(&mut self) -> Result<Option<Piece<T>>, Malformed> {
        loop {
            match self.at {
                At::Start => {
                    let Some(start) = self.buffer.get(..MAGIC.len()) else { return Ok(None) };
                    if start != MAGIC {
                        return Err(Malformed("no k8s envelope".into()));
                    }
                    self.buffer.advance(MAGIC.len());
                    self.at = At::Envelope { listed: false };
                }
                At::Envelope { .. } => {
                    let Some(field) = self.field()? else { return Ok(None) };
                    if field.tag == 2 {
                        self.buffer.advance(field.head);
                        self.at = At::List { left: field.length };
                    } else if !self.skip(&field)? {
                        return Ok(None);
                    }
                }
                At::List { left: 0 } => self.at = At::Envelope { listed: true },
                At::List { left } => {
                    let Some(field) = self.field()? else { return Ok(None) };
                    let whole = field.whole();
                    let Some(rest) = left.checked_sub(whole) else {
                        return Err(Malformed("an item is longer than its list".into()));
                    };
                    let Some(body) = self.body(&field)? else { return Ok(None) };
                    let piece = match field.tag {
                        1 => Some(Piece::Meta(ListMeta::decode(body)?)),
                        2 => Some(Piece::Item(T::from_protobuf(body)?)),
                        _ => None,
                    };
                    self.buffer.advance(usize::try_from(whole).unwrap_or(usize::MAX));
                    self.at = At::List { left: rest };
                    if piece.is_some() {
                        return Ok(piece);
                    }
                }
            }
        }
    }

    /// Whether the page is complete, once no more bytes come.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.at == (At::Envelope { listed: true }) && self.buffer.is_empty() {
            return Ok(());
        }
        Err(Malformed(format!("it was cut after {} bytes", self.came)))
    }

    /// The field that begins here, once its tag and its length have come.
    fn field(&self) -> Result<Option<Field>, Malformed> {
        let Some((key, first)) = varint(&self.buffer)? else { return Ok(None) };
        let rest = self.buffer.get(first..).unwrap_or_default();
        let Some((value, second)) = varint(rest)? else { return Ok(None) };
        let tag = key >> 3;
        match key & 7 {
            // A number: its value is all there is of it.
            0 => Ok(Some(Field { tag: u64::MAX, head: first + second, length: 0 })),
            2 => Ok(Some(Field { tag, head: first + second, length: value })),
            other => Err(Malformed(format!("a field of wire type {other}"))),
        }
    }

    /// What a field holds, once all of it has come.
    fn body(&self, field: &Field) -> Result<Option<&[u8]>, Malformed> {
        if field.length > OBJECT_CAP {
            return Err(Malformed(format!("an object is larger than {OBJECT_CAP} bytes")));
        }
        let end = field.head + usize::try_from(field.length).unwrap_or(usize::MAX);
        Ok(self.buffer.get(field.head..end))
    }

    /// Passes over a field. `false`: it has not come whole.
    fn skip(&mut self, field: &Field) -> Result<bool, Malformed> {
        if self.body(field)?.is_none() {
            return Ok(false);
        }
        self.buffer.advance(usize::try_from(field.whole()).unwrap_or(usize::MAX));
        Ok(true)
    }
}

/// A field of the wire.
struct Field {
    tag: u64,
    /// Bytes of its tag and its length.
    head: usize,
    length: u64,
}

impl Field {
    fn whole(&self) -> u64 {
        self.length.saturating_add(self.head as u64)
    }
}

/// A number and how many bytes it takes, once all of them have come.
fn varint(raw: &[u8]) -> Result<Option<(u64, usize)>, Malformed> {
    let mut value = 0u64;
    for (at, byte) in raw.iter().take(VARINT).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    if raw.len() >= VARINT { Err(Malformed("a number without an end".into())) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::kubernetes::tests::bytes::{bytes, envelope, number, pod, text};
    use crate::connect::kubernetes::wire;
    use proptest::prelude::*;

    fn list(names: &[&str], next: &str) -> Vec<u8> {
        let mut list = bytes(1, &[text(2, "100"), text(3, next), number(4, 7)].concat());
        for name in names {
            list.extend(bytes(2, &pod(name, "1", "Running")));
        }
        // Fields that are newer than this program.
        list.extend(number(9, 300));
        list.extend(text(10, "newer"));
        envelope("PodList", &list)
    }

    fn drain(pages: &mut Pages, into: &mut Vec<String>) -> Result<(), Malformed> {
        while let Some(piece) = pages.next::<wire::Pod>()? {
            into.push(match piece {
                Piece::Meta(meta) => format!("meta {} {}", meta.resource_version, meta.next),
                Piece::Item(pod) => pod.meta().name.clone(),
            });
        }
        Ok(())
    }

    fn read(body: &[u8], cut: usize) -> Result<Vec<String>, Malformed> {
        let mut pages = Pages::new();
        let mut read = Vec::new();
        for data in body.chunks(cut) {
            pages.push(data)?;
            drain(&mut pages, &mut read)?;
        }
        pages.end()?;
        Ok(read)
    }

    #[test]
    fn a_page_does_not_depend_on_how_the_network_cuts_it() {
        let body = list(&["a", "b", "c"], "page/2");
        for cut in [1, 2, 3, 7, 100, 4096, body.len()] {
            assert_eq!(read(&body, cut).unwrap(), ["meta 100 page/2", "a", "b", "c"], "in pieces of {cut}");
        }
        assert_eq!(read(&list(&[], ""), 5).unwrap(), ["meta 100 "]);
    }

    #[test]
    fn the_next_page_is_known_before_the_first_object_has_come() {
        let body = list(&["a"], "page/2");
        let mut pages = Pages::new();
        let mut read = Vec::new();
        for data in body.chunks(1) {
            pages.push(data).unwrap();
            drain(&mut pages, &mut read).unwrap();
            if !read.is_empty() {
                break;
            }
        }
        assert_eq!(read, ["meta 100 page/2"]);
        assert!(pages.came < 100, "{} bytes were needed", pages.came);
    }

    #[test]
    fn a_page_that_is_cut_anywhere_is_not_taken_for_a_whole_one() {
        let body = list(&["a", "b"], "");
        // The last bytes are the envelope's empty fields: a list is whole without them.
        let whole = body.len() - 4;
        for length in (0..whole).step_by(97).chain(whole - 3..whole) {
            assert!(read(&body[..length], 4096).is_err(), "cut after {length} of {}", body.len());
        }
        assert!(read(&body[..whole], 4096).is_ok());
    }

    #[test]
    fn what_is_not_a_list_is_refused() {
        let long = bytes(2, b"x");
        let beyond = [b"k8s\0".as_slice(), &[0x12, 3], &[0x12, 40], &long].concat();
        for (body, why) in [
            (b"{\"kind\":\"PodList\"}".to_vec(), "no k8s envelope"),
            (beyond, "longer than its list"),
            ([b"k8s\0".as_slice(), &[0x0d, 0, 0, 0, 0]].concat(), "wire type 5"),
            ([b"k8s\0".as_slice(), &[0xff; 12]].concat(), "without an end"),
            ([b"k8s\0".as_slice(), &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(), "larger than"),
        ] {
            let refused = read(&body, 4096).unwrap_err();
            assert!(refused.0.contains(why), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(raw in prop::collection::vec(any::<u8>(), 0..300), cut in 1usize..50) {
            let _ = read(&raw, cut);
            let _ = read(&[b"k8s\0", raw.as_slice()].concat(), cut);
            let _ = read(&[b"k8s\0\x12\x7f", raw.as_slice()].concat(), cut);
        }
    }
}
