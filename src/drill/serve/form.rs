//! Query strings and forms.

use axum::body::Bytes;

/// Pairs of a query string or a form, decoded, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// The pairs of the URL's query and of a form in the body: Prometheus' clients use either.
    pub(super) fn of(query: Option<&str>, body: &Bytes) -> Self {
        let body = String::from_utf8_lossy(body);
        let pairs = query.unwrap_or("").split('&').chain(body.split('&'));
        Self(
            pairs
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decoded(name), decoded(value))
                })
                .collect(),
        )
    }

    /// The first value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let ahead = rest.clone().take(2).map(|digit| (digit as char).to_digit(16)).collect::<Vec<_>>();
                if let [Some(high), Some(low)] = ahead[..] {
                    bytes.push((high * 16 + low) as u8);
                    rest.nth(1);
                } else {
                    bytes.push(b'%');
                }
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The other way, for URLs that we build.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(byte as char);
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_as_browsers_encode_it() {
        let form = Form::of(Some("match[]=a%20b&x=1+2&bad=%zz%4"), &Bytes::from("x=3"));
        assert_eq!(form.get("match[]"), Some("a b"));
        assert_eq!(form.all("x").collect::<Vec<_>>(), ["1 2", "3"]);
        assert_eq!(form.get("bad"), Some("%zz%4"));
        assert_eq!(encoded("a{b=\"ü\"}"), "a%7Bb%3D%22%C3%BC%22%7D");
    }
}
