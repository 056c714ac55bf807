//! What a plan says of sync windows, and which it is refused for.

use super::*;
use crate::respond::kubernetes::fake::argo::PROJECT;

/// With these sync windows in its project.
fn windows(fake: &Fake, windows: Value) {
    fake.state().argo.get_mut(PROJECT).unwrap()["spec"]["syncWindows"] = windows;
}

/// A window that is active whatever the clock says, or one that begins on leap days alone.
fn window(kind: &str, active: bool, more: Value) -> Value {
    let schedule = if active { "* * * * *" } else { "0 0 29 2 *" };
    let mut window = json!({ "kind": kind, "schedule": schedule, "duration": "2h", "applications": ["*"] });
    window.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    window
}

#[tokio::test]
async fn an_active_window_that_denies_wins_and_is_named() {
    let fake = staged().await;
    let why = async || to(&fake, Revision::Previous).await.unwrap_err().why.to_string();
    let zone = json!({ "timeZone": "Europe/Berlin" });
    windows(&fake, json!([window("allow", true, json!({})), window("deny", true, zone)]));
    let said = why().await;
    assert!(
        said.starts_with(
            "Application argocd/shop in prod-eu is not synced now: the sync window deny “* * * * *” for 2h \
             (Europe/Berlin) of AppProject default is active until "
        ) && said.contains("Europe/Berlin. Wait for its end"),
        "{said}"
    );
    assert!(fake.state().writes().is_empty());
    // Turning auto-sync off is no sync.
    assert!(named(&fake, "current").await.is_ok());

    windows(&fake, json!([window("deny", true, json!({ "manualSync": true }))]));
    let plan = to(&fake, Revision::Previous).await.unwrap();
    assert!(fact(&plan, "windows").contains("lets a sync by hand through"), "{:?}", plan.facts);
    windows(&fake, json!([window("deny", true, json!({ "manualSync": true })), window("deny", true, json!({}))]));
    assert!(why().await.contains("is active until"), "each has to let it through");
}

#[tokio::test]
async fn auto_sync_that_is_turned_on_again_waits_for_its_windows_whatever_they_let_through_by_hand() {
    let fake = staged().await;
    let held = named(&fake, "current").await.unwrap();
    app(&fake, |app| {
        app["spec"]["syncPolicy"].as_object_mut().unwrap().remove("automated");
        app["status"]["sync"]["status"] = json!("OutOfSync");
    });
    let on = async || planned(&fake, Request::Undo { plan: Box::new(held.clone()) }).await.unwrap();
    let plan = on().await;
    assert!(fact(&plan, "forward").starts_with("within seconds, to what git says: 3333333"));
    assert_eq!(plan.affects.len(), 1, "it makes its workloads anew: none of them is changed meanwhile");
    windows(&fake, json!([window("deny", true, json!({ "manualSync": true }))]));
    let forward = fact(&on().await, "forward").to_owned();
    assert!(forward.starts_with("not before ") && forward.contains("deny “* * * * *” for 2h"), "{forward}");
    windows(&fake, json!([window("allow", false, json!({ "manualSync": true }))]));
    let forward = fact(&on().await, "forward").to_owned();
    assert!(forward.starts_with("not before a window of AppProject default is active (allow “"), "{forward}");
    windows(&fake, json!([window("allow", true, json!({}))]));
    assert!(fact(&on().await, "forward").starts_with("within seconds"));
}

#[tokio::test]
async fn outside_the_windows_that_allow_it_a_sync_is_refused_unless_each_lets_one_by_hand_through() {
    let fake = staged().await;
    let why = async || to(&fake, Revision::Previous).await.unwrap_err().why.to_string();
    windows(&fake, json!([window("allow", false, json!({}))]));
    let said = why().await;
    assert!(
        said.contains("AppProject default allows it only in its sync windows, and none is active: allow “0 0 29 2 *”"),
        "{said}"
    );
    windows(&fake, json!([window("allow", false, json!({})), window("allow", true, json!({}))]));
    assert_eq!(fact(&to(&fake, Revision::Previous).await.unwrap(), "windows"), "");
    windows(&fake, json!([window("allow", false, json!({ "manualSync": true })), window("deny", false, json!({}))]));
    assert!(
        fact(&to(&fake, Revision::Previous).await.unwrap(), "windows").starts_with("none is active, and each lets")
    );
}

#[tokio::test]
async fn a_window_is_about_names_namespaces_or_clusters_and_what_is_not_understood_is_said() {
    let fake = staged().await;
    let refused = async |more: Value| {
        windows(&fake, json!([window("deny", true, more)]));
        to(&fake, Revision::Previous).await.is_err()
    };
    assert!(!refused(json!({ "applications": ["other-*"] })).await);
    assert!(!refused(json!({ "applications": [] })).await);
    assert!(refused(json!({ "applications": ["other-*"], "namespaces": ["sh?p"] })).await, "any of them");
    let both = json!({ "applications": ["other-*"], "namespaces": ["shop"], "andOperator": true });
    assert!(!refused(both).await, "all of them");
    assert!(refused(json!({ "applications": null, "clusters": ["https://kubernetes.*"] })).await);
    assert!(!refused(json!({ "applications": null, "clusters": ["in-cluster"] })).await, "it is named by its address");

    for (more, what) in [
        (json!({ "schedule": "@daily" }), "five fields"),
        (json!({ "duration": "2d" }), "`2d` is not understood"),
        (json!({ "timeZone": "Mars/Olympus" }), "`Mars/Olympus` is not a time zone"),
        (json!({ "applications": ["{shop,web}"] }), "the pattern `{shop,web}` is not understood"),
        (json!({ "schedule": "0 0 30 2 *" }), "never begins, and Argo CD takes that for active"),
        (json!({ "kind": "maybe" }), "neither allow nor deny"),
    ] {
        windows(&fake, json!([window("deny", true, more)]));
        let plan = to(&fake, Revision::Previous).await.unwrap();
        let told = plan.facts.iter().find(|fact| fact.label == "windows").unwrap();
        assert!(told.warns && told.words.contains(what), "{what}: {}", told.words);
    }
    // A window that may allow it is no reason to refuse it.
    windows(&fake, json!([window("allow", false, json!({})), window("allow", true, json!({ "schedule": "@daily" }))]));
    assert!(to(&fake, Revision::Previous).await.is_ok());
    fake.state().argo.remove(PROJECT);
    let plan = to(&fake, Revision::Previous).await.unwrap();
    let told = plan.facts.iter().find(|fact| fact.label == "windows").unwrap();
    assert!(told.warns && told.words.starts_with("AppProject default was not found"), "{told:?}");
}

#[tokio::test]
async fn a_namespace_that_is_left_out_is_any_and_a_name_of_a_cluster_is_not() {
    let fake = staged().await;
    app(&fake, |app| app["spec"]["destination"] = json!({ "name": "in-cluster" }));
    let refused = async |more: Value| {
        windows(&fake, json!([window("deny", true, more)]));
        to(&fake, Revision::Previous).await.is_err()
    };
    assert!(refused(json!({ "applications": null, "namespaces": ["*"] })).await);
    assert!(!refused(json!({ "applications": null, "namespaces": ["shop"] })).await);
    assert!(refused(json!({ "applications": null, "clusters": ["in-*"] })).await);
    assert!(!refused(json!({ "applications": null, "clusters": ["https://*"] })).await);
}
