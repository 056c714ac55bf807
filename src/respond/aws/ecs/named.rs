//! The services of ECS that a configuration names: by name, or by a pattern over those that there are.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::config::matches;
use crate::model::name::ObjectPath;
use crate::respond::aws::call::Call;
use crate::respond::aws::client::{Api, ApiError};
use crate::respond::aws::draft::{list, text};

use super::{described, id_of, is_name};

/// Services that are looked at for one plan.
const MOST: usize = 200;
/// Pages of a list that are read, of a hundred names each.
const PAGES: usize = 5;
/// `DescribeServices` takes no more names.
const TOGETHER: usize = 10;
/// Requests of one plan under way at a time.
const AT_ONCE: usize = 4;

/// Services that were looked at, and what was not.
#[derive(Debug, Default)]
pub(in crate::respond::aws) struct Named {
    /// As `DescribeServices` tells them.
    pub(in crate::respond::aws) services: Vec<(ObjectPath, Value)>,
    /// What could not be looked at and why, each a sentence's part.
    pub(in crate::respond::aws) unread: Vec<String>,
}

impl Named {
    /// Reads all services that `patterns` name, in which `*` stands for any run of characters.
    pub(in crate::respond::aws) async fn read(api: &Api, patterns: &[ObjectPath]) -> Self {
        let mut found = Self::default();
        let mut paths = found.expanded(api, patterns).await;
        if paths.len() > MOST {
            found.unread.push(format!("{} services after the first {MOST} were not looked at", paths.len() - MOST));
            paths.truncate(MOST);
        }
        let mut clusters: BTreeMap<&str, Vec<&ObjectPath>> = BTreeMap::new();
        for path in &paths {
            clusters.entry(&path.namespace).or_default().push(path);
        }
        let chunks =
            clusters.iter().flat_map(|(cluster, paths)| paths.chunks(TOGETHER).map(move |some| (*cluster, some)));
        let asked: Vec<_> = chunks.map(|(cluster, some)| together(api, cluster, some)).collect();
        let read: Vec<_> = futures::stream::iter(asked).buffered(AT_ONCE).collect().await;
        for (some, answer) in read {
            for path in some {
                match &answer {
                    Err(error) => found.unread.push(format!("EcsService {path} could not be read ({error})")),
                    Ok(services) => match services.iter().find(|one| text(one, "/serviceName") == path.name.as_str()) {
                        Some(service) => found.services.push(((*path).clone(), service.clone())),
                        None => found.unread.push(format!("EcsService {path} is not there")),
                    },
                }
            }
        }
        found
    }

    /// Each service once, in the order of the patterns.
    async fn expanded(&mut self, api: &Api, patterns: &[ObjectPath]) -> Vec<ObjectPath> {
        let mut paths: Vec<ObjectPath> = Vec::new();
        let mut add = |path: ObjectPath| {
            if !paths.contains(&path) {
                paths.push(path);
            }
        };
        let mut known: BTreeMap<String, Result<(Vec<String>, bool), ApiError>> = BTreeMap::new();
        for pattern in patterns {
            let (of_cluster, of_name) = (pattern.namespace.as_str(), pattern.name.as_str());
            let plain = [of_cluster, of_name].map(|text| is_name(&text.replace('*', "x")));
            if plain != [true, true] {
                let why = "not a name that ECS could have given";
                self.unread.push(format!("EcsService {pattern} could not be read ({why})"));
                continue;
            }
            if !pattern.to_string().contains('*') {
                add(pattern.clone());
                continue;
            }
            let clusters = match of_cluster.contains('*') {
                false => Ok((vec![of_cluster.to_owned()], false)),
                true => names(api, "ListClusters", "/clusterArns", json!({})).await,
            };
            let (clusters, mut cut) = match clusters {
                Ok(clusters) => clusters,
                Err(error) => {
                    self.unread.push(format!("EcsService {pattern}: which clusters there are was not told ({error})"));
                    continue;
                }
            };
            let mut fit = 0;
            for cluster in clusters.iter().filter(|cluster| matches(of_cluster, cluster)) {
                let services = match known.entry(cluster.clone()) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => {
                        let input = json!({ "cluster": cluster });
                        place.insert(names(api, "ListServices", "/serviceArns", input).await)
                    }
                };
                match services {
                    Ok((services, cut_here)) => {
                        cut |= *cut_here;
                        for name in services.iter().filter(|name| matches(of_name, name)) {
                            fit += 1;
                            add(ObjectPath::new(cluster.as_str(), name.as_str()));
                        }
                    }
                    Err(error) => {
                        let why = format!("EcsService {pattern}: which of {cluster} fit was not told ({error})");
                        self.unread.push(why);
                        fit += 1;
                    }
                }
            }
            if cut {
                self.unread.push(format!("EcsService {pattern}: there are more services than were listed"));
            } else if fit == 0 {
                self.unread.push(format!("EcsService {pattern} fits none that there is"));
            }
        }
        paths
    }
}

/// Services of one cluster, with what they were asked by.
async fn together<'a>(
    api: &Api,
    cluster: &str,
    some: &'a [&'a ObjectPath],
) -> (&'a [&'a ObjectPath], Result<Vec<Value>, ApiError>) {
    let names: Vec<&str> = some.iter().map(|path| path.name.as_str()).collect();
    (some, described(api, cluster, &names).await)
}

/// The names at the end of the ARNs of a list, page by page; and whether there is more of it than is
/// read.
async fn names(api: &Api, operation: &'static str, at: &str, input: Value) -> Result<(Vec<String>, bool), ApiError> {
    let mut all = Vec::new();
    let mut next = Value::Null;
    for _ in 0..PAGES {
        let mut input = input.clone();
        input["maxResults"] = json!(100);
        if !next.is_null() {
            input["nextToken"] = next;
        }
        let answer = api.json(&Call::ecs(operation, input)).await?;
        all.extend(list(&answer, at).iter().filter_map(Value::as_str).map(|arn| id_of(arn).to_owned()));
        next = answer.get("nextToken").cloned().unwrap_or_default();
        if next.is_null() {
            return Ok((all, false));
        }
    }
    Ok((all, true))
}
