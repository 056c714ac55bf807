//! Which namespaces to try when the whole cluster is refused.
//!
//! Owns: the list of candidates. Must not: decide what may be read in them; each kind asks.

use kube::client::Client;
use serde::Deserialize;

use crate::connect::SourceError;

use super::access::Cluster;
use super::call::{Ask, Fault, JSON};
use super::wire::{self, Meta};

/// More namespaces than this are not tried one by one.
const MOST: usize = 200;

#[derive(Deserialize)]
struct Namespace {
    #[serde(default)]
    metadata: Meta,
}

/// The namespaces of the cluster if they may be listed, else the context's own.
pub(super) async fn candidates(cluster: &Cluster) -> Result<Vec<String>, SourceError> {
    let uri = format!("/api/v1/namespaces?limit={MOST}");
    let listed = cluster.read(&Ask { uri, accept: JSON, doing: "list namespaces" }).await;
    let names: Vec<String> = match listed {
        Ok((_, body)) => {
            let page = wire::json_page::<Namespace>(&body)
                .map_err(|malformed| SourceError::from(Fault::retry("list namespaces", &malformed.to_string())))?;
            page.items.into_iter().map(|namespace| namespace.metadata.name).collect()
        }
        Err(Fault::Forbidden(_)) => vec![cluster.client().await.map(own)?],
        Err(fault) => return Err(fault.into()),
    };
    Ok(names.into_iter().filter(|name| is_name(name)).collect())
}

fn own(client: Client) -> String {
    client.default_namespace().to_owned()
}

/// A DNS label: what may stand in a path without being interpreted.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
}
