//! Protobuf written by hand, field by field, with fields that the trimmed types do not know.

/// One field of bytes: a message, a string or a map entry.
pub(in crate::connect::kubernetes) fn bytes(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut out = varint(u64::from(tag) << 3 | 2);
    out.extend(varint(value.len() as u64));
    out.extend_from_slice(value);
    out
}

/// One field of text.
pub(in crate::connect::kubernetes) fn text(tag: u32, value: &str) -> Vec<u8> {
    bytes(tag, value.as_bytes())
}

/// One field of a number.
pub(in crate::connect::kubernetes) fn number(tag: u32, value: u64) -> Vec<u8> {
    let mut out = varint(u64::from(tag) << 3);
    out.extend(varint(value));
    out
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Messages, one after the other.
pub(in crate::connect::kubernetes) fn all(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

/// `k8s\0` and a `runtime.Unknown`.
pub(in crate::connect::kubernetes) fn envelope(kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = all(&[text(1, "v1"), text(2, kind)]);
    let mut out = b"k8s\0".to_vec();
    out.extend(all(&[bytes(1, &meta), bytes(2, raw), text(3, ""), text(4, "")]));
    out
}

/// A pod of the Deployment `web` in `shop`, as large as real ones are.
pub(in crate::connect::kubernetes) fn pod(name: &str, version: &str, phase: &str) -> Vec<u8> {
    let managed = all(&[text(1, "kube-controller-manager"), text(6, &"f".repeat(4000))]);
    let owner = all(&[text(5, "apps/v1"), text(1, "ReplicaSet"), text(3, "web-7d9f"), text(4, "u-1"), number(6, 1)]);
    let label = all(&[text(1, "pod-template-hash"), text(2, "7d9f")]);
    let metadata = all(&[
        text(1, name),
        text(2, "web-7d9f-"),
        text(3, "shop"),
        text(5, &format!("uid-{name}")),
        text(6, version),
        bytes(8, &all(&[number(1, 1_795_230_000), number(2, 0)])),
        bytes(11, &label),
        bytes(13, &owner),
        bytes(17, &managed),
    ]);
    let quantity = |name: &str, value: &str| all(&[text(1, name), bytes(2, &text(1, value))]);
    let resources = all(&[
        bytes(1, &quantity("cpu", "1")),
        bytes(2, &quantity("cpu", "250m")),
        bytes(2, &quantity("memory", "64Mi")),
    ]);
    let environment: Vec<Vec<u8>> =
        (0..50).map(|n| bytes(7, &all(&[text(1, &format!("SETTING_{n}")), text(2, &"x".repeat(200))]))).collect();
    let container = all(&[
        text(1, "app"),
        text(2, "registry.example:5000/shop/web:2.9.0"),
        all(&environment),
        bytes(8, &resources),
        number(18, 1),
    ]);
    let spec = all(&[
        bytes(1, &text(1, "config")),
        bytes(2, &container),
        text(3, "Always"),
        text(10, "node-1"),
        number(25, 0),
    ]);
    let running = bytes(2, &bytes(1, &number(1, 1_795_230_001)));
    // A termination message is whatever the program wrote: not UTF-8 here.
    let ended = bytes(
        3,
        &all(&[number(1, 137), text(3, "OOMKilled"), bytes(4, b"\xff\xfe"), bytes(6, &number(1, 1_795_230_000))]),
    );
    let status = all(&[
        text(1, phase),
        bytes(2, &all(&[text(1, "Ready"), text(2, "True"), bytes(6, b"\xff not utf-8")])),
        text(5, "10.0.0.1"),
        bytes(
            8,
            &all(&[
                text(1, "app"),
                bytes(2, &running),
                bytes(3, &ended),
                number(4, 1),
                number(5, 3),
                text(7, "sha256:1"),
                number(9, 1),
            ]),
        ),
        text(9, "Burstable"),
    ]);
    all(&[bytes(1, &metadata), bytes(2, &spec), bytes(3, &status)])
}

/// A page of pods, enveloped.
pub(in crate::connect::kubernetes) fn pods(names: &[&str], version: &str, next: &str) -> Vec<u8> {
    let mut list = bytes(1, &all(&[text(2, version), text(3, next), number(4, 7)]));
    for name in names {
        list.extend(bytes(2, &pod(name, "1", "Running")));
    }
    envelope("PodList", &list)
}

/// One framed watch event around an enveloped object.
pub(in crate::connect::kubernetes) fn event(kind: &str, object: &[u8]) -> Vec<u8> {
    let event = all(&[text(1, kind), bytes(2, &bytes(1, object))]);
    let mut out = u32::try_from(event.len()).unwrap().to_be_bytes().to_vec();
    out.extend(event);
    out
}

/// A `Status`, enveloped.
pub(in crate::connect::kubernetes) fn status(code: u64, message: &str) -> Vec<u8> {
    envelope("Status", &all(&[text(2, "Failure"), text(3, message), text(4, "Expired"), number(6, code)]))
}
