//! What goes with records: whether their health checks pass, and who writes them.

use http::Method;

use crate::model::plan::{Owner, OwnerEffect};
use crate::respond::aws::call::{Body, Call, DNS, Service};
use crate::respond::aws::client::{Api, said};
use crate::respond::aws::xml::Element;
use crate::text::Safe;

use super::{Records, listed};

/// What is known of the health of what a record leads to.
pub(super) enum Health {
    Passing,
    /// And what its checkers say.
    Failing(String),
    /// An alias that asks its target.
    Evaluated,
    Unchecked,
    /// And why.
    Unknown(String),
}

/// Asks for the health check of a record.
pub(super) async fn health(api: &Api, set: Option<&Element>) -> Health {
    let Some(set) = set else { return Health::Unchecked };
    let id = set.text("HealthCheckId");
    if id.is_empty() {
        return match set.text("AliasTarget/EvaluateTargetHealth") {
            "true" => Health::Evaluated,
            _ => Health::Unchecked,
        };
    }
    let mut call = Call::rest(Service::Dns, Method::GET, &format!("{DNS}/healthcheck"), &[id], Body::None);
    call.path.push_str("/status");
    // Route 53 tells it of endpoints alone, and not of what it calculates or takes from an alarm.
    let answer = match api.xml(&call).await {
        Ok(answer) => answer,
        Err(error) => return Health::Unknown(error.to_string()),
    };
    let told: Vec<_> =
        answer.list("HealthCheckObservations").iter().map(|one| one.text("StatusReport/Status")).collect();
    let passing = told.iter().filter(|status| status.starts_with("Success")).count();
    match told.iter().find(|status| !status.starts_with("Success")) {
        _ if told.is_empty() => Health::Unknown("no checker has told yet".to_owned()),
        // Route 53 takes an endpoint for healthy while more than 18 % of its checkers do.
        Some(failure) if passing * 100 <= told.len() * 18 => Health::Failing((*failure).to_owned()),
        _ => Health::Passing,
    }
}

/// Who writes these records: external-dns notes itself in a TXT record of the same name, or of
/// that name after the record's type.
pub(super) async fn owners(api: &Api, records: &Records) -> Vec<Owner> {
    let mut names = vec![records.name.clone(), format!("{}-{}", records.kind.to_ascii_lowercase(), records.name)];
    // It takes an alias for a CNAME.
    names.push(format!("cname-{}", records.name));
    names.dedup();
    let asked = names.iter().map(|name| async move {
        let answer = api.xml(&listed(&records.zone, name, "TXT")).await?;
        let ours = |set: &&Element| set.text("Name").eq_ignore_ascii_case(name) && set.text("Type") == "TXT";
        let texts = answer.list("ResourceRecordSets").iter().filter(ours).flat_map(|set| {
            set.list("ResourceRecords").iter().map(|record| record.text("Value").trim_matches('"').to_owned())
        });
        Ok::<Vec<String>, crate::respond::aws::client::ApiError>(texts.collect())
    });
    let mut found = Vec::new();
    for answer in futures::future::join_all(asked).await {
        match answer {
            Ok(texts) => found.extend(texts.iter().filter_map(|text| external_dns(text))),
            Err(error) => {
                return vec![Owner {
                    name: Safe::fixed("external-dns"),
                    effect: OwnerEffect::MayRevert,
                    words: said(&format!("its registry could not be read ({error}): if it is here, it sets them back")),
                }];
            }
        }
    }
    // Each of the records has a note of its own.
    found.dedup_by(|one, other| one.name == other.name);
    found.truncate(3);
    found
}

/// The owner that a text of the registry names: `heritage=external-dns,external-dns/owner=ID,…`.
fn external_dns(text: &str) -> Option<Owner> {
    let part = |key: &str| text.split(',').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    if part("heritage") != Some("external-dns") {
        return None;
    }
    let resource = part("external-dns/resource").unwrap_or("the resource that it is of");
    Some(Owner {
        name: said(&format!("external-dns {}", part("external-dns/owner").unwrap_or_default())),
        effect: OwnerEffect::Reverts,
        words: said(&format!(
            "sets it back at its next sync, within a minute: change external-dns.alpha.kubernetes.io/aws-weight of \
             {resource} instead"
        )),
    })
}
