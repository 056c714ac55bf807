//! One page of a list: asked for, begun, read to its end.
//!
//! Owns: the request of a page and its two forms. A page of protobuf is begun before it is read:
//! what stands at its start is enough to ask for the next one. Must not: decide what follows from
//! a fault.

use std::time::Duration;

use http_body_util::BodyExt as _;
use kube::client::Body;

use super::access::Cluster;
use super::call::{Ask, Fault, JSON, broke_off, media_type};
use super::follow::{Resource, add, encode};
use super::pages::{Pages, Piece};
use super::wire::{self, ListMeta, Object, Page};

const LIST_FORMS: &str = "application/vnd.kubernetes.protobuf, application/json";
/// Until the start of a page has come.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);
/// From there until its end.
const COMPLETE_WITHIN: Duration = Duration::from_secs(90);

/// Where a page is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) namespace: Option<&'a str>,
    /// The token of the page; empty for the first.
    pub(super) token: &'a str,
    /// Objects in it.
    pub(super) limit: u32,
}

/// A page whose start has come.
pub(super) struct Begun<T> {
    /// The token of the next page, if it is known already; empty: there is none.
    pub(super) next: Option<String>,
    doing: String,
    rest: Rest<T>,
}

enum Rest<T> {
    /// Nothing: JSON comes whole.
    Whole(Page<T>),
    Coming {
        body: Body,
        pages: Pages,
        page: Page<T>,
    },
}

/// Asks for a page and reads its start.
pub(super) async fn begin<T: Object>(
    cluster: &Cluster,
    resource: &Resource,
    protobuf: bool,
    place: Place<'_>,
) -> Result<Begun<T>, Fault> {
    let doing = resource.doing("list", place.namespace);
    let mut uri = format!("{}?limit={}", resource.path(place.namespace), place.limit);
    add(&mut uri, resource.query);
    if !place.token.is_empty() {
        add(&mut uri, &format!("continue={}", encode(place.token)));
    }
    let ask = Ask { uri, accept: if protobuf { LIST_FORMS } else { JSON }, doing: &doing };
    let answer = cluster.open(&ask).await?;
    if !media_type(&answer).contains("protobuf") {
        let body = cluster.rest(answer, &doing).await?;
        let page: Page<T> = wire::json_page(&body).map_err(|malformed| Fault::retry(&doing, &malformed.to_string()))?;
        return Ok(Begun { next: Some(page.next.clone()), doing, rest: Rest::Whole(page) });
    }
    let page = Page { items: Vec::new(), next: String::new(), version: String::new() };
    let mut coming = (answer.into_body(), Pages::new(), page);
    let start = read(&mut coming, true);
    let known = tokio::time::timeout(BEGIN_WITHIN, start)
        .await
        .map_err(|_| Fault::retry(&doing, &format!("no answer within {} s", BEGIN_WITHIN.as_secs())))?
        .map_err(|what| Fault::retry(&doing, &what))?;
    let (body, pages, page) = coming;
    let next = known.then(|| page.next.clone());
    Ok(Begun { next, doing, rest: Rest::Coming { body, pages, page } })
}

impl<T: Object> Begun<T> {
    /// Reads the page to its end.
    pub(super) async fn end(self) -> Result<Page<T>, Fault> {
        let (body, pages, page) = match self.rest {
            Rest::Whole(page) => return Ok(page),
            Rest::Coming { body, pages, page } => (body, pages, page),
        };
        let mut coming = (body, pages, page);
        tokio::time::timeout(COMPLETE_WITHIN, read(&mut coming, false))
            .await
            .map_err(|_| Fault::retry(&self.doing, &format!("no complete answer within {COMPLETE_WITHIN:?}")))?
            .map_err(|what| Fault::retry(&self.doing, &what))?;
        Ok(coming.2)
    }
}

/// Reads on: to the page's end, or until its metadata is known. Whether that is known.
async fn read<T: Object>((body, pages, page): &mut (Body, Pages, Page<T>), start: bool) -> Result<bool, String> {
    loop {
        while let Some(piece) = pages.next().map_err(|malformed| malformed.to_string())? {
            match piece {
                Piece::Meta(ListMeta { resource_version, next }) => {
                    (page.version, page.next) = (resource_version, next);
                    if start {
                        return Ok(true);
                    }
                }
                Piece::Item(item) => {
                    page.items.push(item);
                    if start {
                        return Ok(false);
                    }
                }
            }
        }
        match body.frame().await {
            None => {
                pages.end().map_err(|malformed| malformed.to_string())?;
                return Ok(true);
            }
            Some(Err(error)) => return Err(broke_off(&error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    pages.push(&data).map_err(|malformed| malformed.to_string())?;
                }
            }
        }
    }
}
