//! Reading: one object, or a page of a list.
//!
//! Owns: paging with `limit` and `continue` over one version of the world, and the forms of the
//! answer. Must not: change anything.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::kinds::{Behind, Kind};
use super::super::select::Selector;
use super::super::state::State;
use super::super::store::Key;
use super::super::value::{at, cut};
use super::negotiate::{Form, PROTOBUF, form};
use super::status::Failure;
use super::{Call, json_answer, proto, scale_of, shown, table};

/// GET of one object or of one of its subresources.
pub(super) fn one(state: &State, call: &Call, headers: &HeaderMap) -> Result<Response, Failure> {
    let form = form(call, headers)?;
    let object = match call.resource.behind {
        Behind::Stored(kind) => state.store.get(kind, &call.key()).map(Arc::clone),
        Behind::Usage(kind) => state.usage(kind).into_iter().find(|it| Key::of(it) == call.key()).map(Arc::new),
        Behind::Review => None,
    };
    let object = object.ok_or_else(|| call.not_found())?;
    if call.sub.as_deref() == Some("scale") {
        return Ok(json_answer(StatusCode::OK, &scale_of(&object)));
    }
    Ok(match form {
        Form::Json => json_answer(StatusCode::OK, &shown(call.resource, &object)),
        Form::Metadata => json_answer(StatusCode::OK, &table::partial(&object)),
        Form::Table(include) => {
            let meta = json!({"resourceVersion": at(&object, &["metadata", "resourceVersion"])});
            let rows = std::iter::once(&*object);
            json_answer(StatusCode::OK, &table::table(call.resource, rows, meta, include, true, state.now))
        }
        Form::Protobuf => ([(header::CONTENT_TYPE, PROTOBUF)], proto::pod(&object)).into_response(),
    })
}

/// GET of a collection.
pub(super) fn answer(state: &State, call: &Call, headers: &HeaderMap) -> Result<Response, Failure> {
    let form = form(call, headers)?;
    let page = Page::read(state, call)?;
    let version = page.version.to_string();
    let mut metadata = json!({"resourceVersion": version});
    if !page.token.is_empty() {
        metadata["continue"] = json!(page.token);
    }
    if let Some(remaining) = page.remaining {
        metadata["remainingItemCount"] = json!(remaining);
    }
    let objects = page.objects.iter().map(|object| &**object);
    let kind = format!("{}List", call.resource.kind);
    Ok(match form {
        Form::Json => {
            let items: Vec<Value> = objects.map(|object| item(call, object)).collect();
            let list =
                json!({"kind": kind, "apiVersion": call.resource.api_version(), "metadata": metadata, "items": items});
            json_answer(StatusCode::OK, &list)
        }
        Form::Metadata => {
            let items: Vec<Value> = objects.map(table::partial).collect();
            let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata, "items": items});
            json_answer(StatusCode::OK, &list)
        }
        Form::Table(include) => {
            json_answer(StatusCode::OK, &table::table(call.resource, objects, metadata, include, true, state.now))
        }
        Form::Protobuf => {
            let body = proto::pod_list(objects, &version, &page.token, page.remaining);
            ([(header::CONTENT_TYPE, PROTOBUF)], body).into_response()
        }
    })
}

/// Items of a list carry no type of their own; the list's says it.
fn item(call: &Call, object: &Value) -> Value {
    let mut out = shown(call.resource, object);
    cut(&mut out, &["apiVersion"]);
    cut(&mut out, &["kind"]);
    out
}

/// What a selector of the request picks.
pub(super) fn selector(call: &Call, kind: Kind) -> Result<Selector, Failure> {
    let mut fields = call.query.get("fieldSelector").to_owned();
    if let Some(name) = &call.name {
        // A watch of one object.
        fields.push_str(&format!(",metadata.name={name}"));
    }
    Selector::parse(kind, call.query.get("labelSelector"), &fields).map_err(Failure::bad_request)
}

/// A resource version in a query; absent and 0 are `None`: any will do.
pub(super) fn version(call: &Call) -> Result<Option<u64>, Failure> {
    let text = call.query.get("resourceVersion");
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Failure::bad_request(format!("invalid resource version {text:?}")))
}

struct Page {
    objects: Vec<Arc<Value>>,
    version: u64,
    token: String,
    remaining: Option<i64>,
}

impl Page {
    fn read(state: &State, call: &Call) -> Result<Self, Failure> {
        let kind = match call.resource.behind {
            Behind::Stored(kind) | Behind::Usage(kind) => kind,
            Behind::Review => return Err(Failure::not_allowed()),
        };
        let selector = selector(call, kind)?;
        let here = |key: &Key| call.namespace.as_ref().is_none_or(|namespace| key.namespace == *namespace);
        if let Behind::Usage(kind) = call.resource.behind {
            let objects = state.usage(kind).into_iter().filter(|it| here(&Key::of(it)) && selector.matches(it));
            return Ok(Self {
                objects: objects.map(Arc::new).collect(),
                version: state.store.version(),
                token: String::new(),
                remaining: None,
            });
        }
        let limit = match call.query.get("limit") {
            "" => 0,
            text => text
                .parse::<usize>()
                .map_err(|_| Failure::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))?,
        };
        let start = match call.query.get("continue") {
            "" => None,
            token => Some(
                Token::read(token)
                    .ok_or_else(|| Failure::bad_request("invalid continue token: continue key is not valid"))?,
            ),
        };
        let current = state.store.version();
        let wanted = version(call)?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted > current) {
            return Err(Failure::too_new(wanted, current));
        }
        let exact = wanted.filter(|_| call.query.get("resourceVersionMatch") == "Exact");
        let moment = start.as_ref().and_then(|token| token.version);
        let version = moment.or(exact.filter(|_| start.is_none())).unwrap_or(current);
        let objects = state.store.at(kind, version).ok_or_else(|| match &start {
            Some(token) => Failure::page_expired(Token { version: None, after: token.after.clone() }.write()),
            None => Failure::expired("The resourceVersion for the provided list is too old."),
        })?;
        let after = start.map(|token| token.after);
        let mut rest = objects
            .into_iter()
            .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
            .filter(|(key, object)| here(key) && selector.matches(object));
        if limit == 0 {
            return Ok(Self {
                objects: rest.map(|(_, object)| object).collect(),
                version,
                token: String::new(),
                remaining: None,
            });
        }
        let page: Vec<(Key, Arc<Value>)> = rest.by_ref().take(limit).collect();
        let left = rest.count();
        let token = match page.last() {
            Some((key, _)) if left > 0 => Token { version: Some(version), after: key.clone() }.write(),
            _ => String::new(),
        };
        // The real server does not count what a selector has yet to look at.
        let remaining = (left > 0 && selector.is_empty()).then(|| i64::try_from(left).unwrap_or(i64::MAX));
        Ok(Self { objects: page.into_iter().map(|(_, object)| object).collect(), version, token, remaining })
    }
}

/// Where the next page starts: the first page's version, and the last key seen. Without a version it
/// goes on with what there is now.
struct Token {
    version: Option<u64>,
    after: Key,
}

impl Token {
    fn write(&self) -> String {
        let plain = json!({"v": self.version, "ns": self.after.namespace, "n": self.after.name});
        URL_SAFE_NO_PAD.encode(plain.to_string())
    }

    fn read(token: &str) -> Option<Self> {
        let plain: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let after = Key::new(plain.get("ns")?.as_str()?, plain.get("n")?.as_str()?);
        Some(Self { version: plain.get("v")?.as_u64(), after })
    }
}
