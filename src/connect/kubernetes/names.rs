//! The pods of a cluster by name, long before they are read.
//!
//! Owns: the API's `Table` without objects: what `kubectl get pods` prints, 260 bytes of a pod of
//! 20 KB. Must not: stand for the pods: a table tells neither namespaces nor owners.
//!
//! The shape is that of `meta.k8s.io/v1 Table` with `includeObject=None`; the columns are those of
//! `printPod` (`pkg/printers/internalversion`), found by their names.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::model::cluster::NamedPod;
use crate::text::{Safe, clean};

use super::access::Cluster;
use super::call::{Ask, Fault};
use super::follow::Resource;
use super::wire::Malformed;

/// A table, or whatever else a server that knows no tables gives.
const FORMS: &str = "application/json;as=Table;g=meta.k8s.io;v=v1, application/json";
/// A column without a value.
const NONE: &str = "<none>";

/// Asks for the names in these namespaces, or of the whole cluster. A server that knows no tables
/// names nobody.
pub(super) async fn read(
    cluster: &Cluster,
    resource: &Resource,
    namespaces: &[String],
) -> Result<Vec<NamedPod>, Fault> {
    if namespaces.is_empty() {
        return of(cluster, resource, None).await;
    }
    let mut names = Vec::new();
    for namespace in namespaces {
        names.extend(of(cluster, resource, Some(namespace)).await?);
    }
    Ok(names)
}

async fn of(cluster: &Cluster, resource: &Resource, namespace: Option<&str>) -> Result<Vec<NamedPod>, Fault> {
    let doing = resource.doing("name", namespace);
    // Version 0: from the API server's cache, as it is. The list that follows is exact.
    let uri = format!("{}?includeObject=None&resourceVersion=0", resource.path(namespace));
    let (_, body) = cluster.read(&Ask { uri, accept: FORMS, doing: &doing }).await?;
    table(&body, namespace).map_err(|malformed| Fault::retry(&doing, &malformed.to_string()))
}

/// The rows of a table; none of anything else.
fn table(body: &[u8], namespace: Option<&str>) -> Result<Vec<NamedPod>, Malformed> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        kind: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Table<'a> {
        #[serde(borrow)]
        column_definitions: Vec<Column<'a>>,
        #[serde(borrow, default)]
        rows: Option<Vec<Row<'a>>>,
    }
    #[derive(Deserialize)]
    struct Column<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct Row<'a> {
        #[serde(borrow)]
        cells: Vec<Cell<'a>>,
    }
    if serde_json::from_slice::<Kind<'_>>(body)?.kind != "Table" {
        return Ok(Vec::new());
    }
    let Table { column_definitions: columns, rows } = serde_json::from_slice(body)?;
    let place = |wanted: &str| columns.iter().position(|column| column.name.eq_ignore_ascii_case(wanted));
    let places = ["Name", "Ready", "Status", "Restarts", "Age", "Node"].map(place);
    let [Some(name), ready, status, restarts, age, node] = places else {
        return Err(Malformed("a table of pods without their names".into()));
    };
    let namespace = namespace.map(clean);
    let rows = rows.unwrap_or_default();
    let pods = rows.iter().filter_map(|Row { cells }| {
        let text = |place: Option<usize>| cells.get(place?)?.text();
        Some(NamedPod {
            namespace: namespace.clone(),
            name: clean(text(Some(name))?),
            ready: text(ready).and_then(|text| {
                let (ready, all) = text.split_once('/')?;
                Some((ready.parse().ok()?, all.parse().ok()?))
            }),
            status: text(status).map(clean).unwrap_or_default(),
            restarts: restarts.and_then(|place| cells.get(place)?.count()),
            age: text(age).map_or_else(Safe::default, clean),
            node: text(node).filter(|node| *node != NONE && !node.is_empty()).map(clean),
        })
    });
    Ok(pods.collect())
}

/// One cell of a row, or any other value that is text or a number.
pub(super) enum Cell<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Other,
}

impl Cell<'_> {
    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A number, or what a text begins with: `4 (2m ago)`.
    fn count(&self) -> Option<u32> {
        match self {
            Self::Text(text) => text.split(' ').next()?.parse().ok(),
            Self::Number(number) => u32::try_from(*number).ok(),
            Self::Other => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cell")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cell::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Cell::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Cell::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Cell::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Cell::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cell::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(value: &Value) -> Result<Vec<NamedPod>, Malformed> {
        table(value.to_string().as_bytes(), None)
    }

    /// As kube-apiserver 1.36 answers.
    fn answer(rows: &[Value]) -> Value {
        let columns = ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"];
        let columns = columns
            .map(|name| json!({"name": name, "type": "string", "format": "", "description": "…", "priority": 0}));
        json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "7"}, "columnDefinitions": columns,
            "rows": rows.iter().map(|cells| json!({"cells": cells, "object": null})).collect::<Vec<_>>()})
    }

    #[test]
    fn a_row_is_what_kubectl_prints() {
        let names = of(&answer(&[
            json!(["web-1", "2/2", "Running", "0", "5d", "10.0.0.1", "node-1", "<none>", "<none>"]),
            json!(["web-2", "0/1", "CrashLoopBackOff", "4 (2m ago)", "3h", "<none>", "<none>", "<none>", "<none>"]),
            json!(["web-3", "1/1", "Running", 7, "9s", null, ["odd"], {"odd": 1}, true]),
        ]))
        .unwrap();
        let words: Vec<_> =
            names.iter().map(|pod| (&*pod.name, pod.ready, &*pod.status, pod.restarts, &*pod.age)).collect();
        assert_eq!(
            words,
            [
                ("web-1", Some((2, 2)), "Running", Some(0), "5d"),
                ("web-2", Some((0, 1)), "CrashLoopBackOff", Some(4), "3h"),
                ("web-3", Some((1, 1)), "Running", Some(7), "9s"),
            ]
        );
        let nodes: Vec<_> = names.iter().map(|pod| pod.node.as_deref()).collect();
        assert_eq!(nodes, [Some("node-1"), None, None]);
        assert!(names.iter().all(|pod| pod.namespace.is_none()), "a table of the whole cluster does not tell it");
    }

    #[test]
    fn a_row_that_is_short_or_hostile_says_no_more_than_it_has() {
        let names = of(&answer(&[json!(["a\u{1b}[2Jb"]), json!([]), json!([7, "1/1"])])).unwrap();
        assert_eq!(names.len(), 1);
        assert_eq!((&*names[0].name, names[0].ready, &*names[0].status, names[0].restarts), ("ab", None, "", None));
    }

    #[test]
    fn what_is_no_table_names_nobody() {
        let list =
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [{"metadata": {"name": "a"}}]});
        assert_eq!(of(&list), Ok(Vec::new()));
        let empty = json!({"kind": "Table", "columnDefinitions": [{"name": "Name"}], "rows": null});
        assert_eq!(of(&empty), Ok(Vec::new()));
        assert!(of(&json!({"kind": "Table", "columnDefinitions": [], "rows": []})).is_err());
        assert!(table(b"<html>", None).is_err());
    }
}
