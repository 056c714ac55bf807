//! What plans to divert and to switch say, and which are refused.

use serde_json::{Value, json};

use super::super::fake::Fake;
use super::super::fake::mesh::{self, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, divert, switch};
use crate::clock::Clock;
use crate::model::name::Kind;
use crate::model::plan::{Ends, OwnerEffect, Permission, Plan, Preview, Refusal, Request, Tier};
use crate::respond::{Cluster, Engine};

async fn shop() -> Fake {
    let fake = Fake::start().await;
    mesh::put(&mut fake.state());
    fake
}

async fn plan(fake: &Fake, want: &Request) -> Result<Plan, Refusal> {
    Engine::new(&fake.environment(), Clock::real()).unwrap().plan(want, &Cluster::default()).await
}

async fn refused(fake: &Fake, want: &Request) -> String {
    let why = plan(fake, want).await.expect_err("it was planned").why.to_string();
    assert!(fake.state().writes().is_empty());
    why
}

fn fact<'a>(plan: &'a Plan, label: &str) -> (&'a str, bool) {
    let found = plan.facts.iter().find(|fact| fact.label == label).unwrap_or_else(|| panic!("{:?}", plan.facts));
    (&found.words, found.warns)
}

const ROLLOUTS: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts";

fn rollout(namespace: &str, strategy: Value) -> Value {
    json!({ "metadata": { "name": "pay", "namespace": namespace }, "spec": { "strategy": strategy } })
}

const KINDS: [Kind; 2] = [Kind::VirtualService, Kind::HttpRoute];

#[tokio::test]
async fn a_diversion_says_where_each_percent_goes_and_what_stands_there() {
    let fake = shop().await;
    for kind in KINDS {
        let plan = plan(&fake, &divert(kind, &[("partner-b", 40)])).await.unwrap();
        assert_eq!(plan.title.to_string(), format!("divert {kind} partner"));
        assert_eq!(plan.changed(), "partner-a 100 % → 60 %, partner-b 0 % → 40 %");
        assert_eq!(fact(&plan, "traffic").0, "now partner-a 100 %, partner-b 0 %; then partner-a 60 %, partner-b 40 %");
        assert_eq!(
            fact(&plan, "capacity"),
            ("partner-b: 2 ready pods for 40 %, 20 % each; a pod carries 33.3 % of it now", false)
        );
        assert_eq!(plan.blast.words, "40 % of the traffic moves; 3 ready pods carry it now, 5 will");
        assert_eq!(
            plan.undo.as_deref(),
            Some("partner-a 60 % → 100 %, partner-b 40 % → 0 %, while nobody else has changed it")
        );
        assert_eq!((plan.tier, plan.ends), (Tier::Lowers, Ends::Reminder));
        assert_eq!((&plan.permission, &plan.preview), (&Permission::Allowed, &Preview::Accepted));
        assert!(plan.owners.is_empty(), "{:?}", plan.owners);
        assert_eq!(Engine::blocked(&plan), None);
    }
    assert!(fake.state().writes().is_empty(), "planning changes nothing");
}

#[tokio::test]
async fn the_command_to_copy_tests_the_weights_that_were_read() {
    let fake = shop().await;
    let plan = plan(&fake, &divert(Kind::HttpRoute, &[("partner-b", 40)])).await.unwrap();
    let (command, patch) = plan.command.split_once(" -p ").unwrap();
    assert!(command.ends_with("-n shop patch httproutes.gateway.networking.k8s.io/partner --type=json"), "{command}");
    assert_eq!(
        serde_json::from_str::<Value>(patch.trim_matches('\'')).unwrap(),
        json!([
            { "op": "test", "path": "/spec/rules/0/backendRefs/0/weight", "value": null },
            { "op": "test", "path": "/spec/rules/0/backendRefs/1/weight", "value": 0 },
            { "op": "add", "path": "/spec/rules/0/backendRefs/0/weight", "value": 60 },
            { "op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 40 },
        ])
    );
}

#[tokio::test]
async fn without_shares_the_present_ones_are_told() {
    let fake = shop().await;
    for kind in KINDS {
        let why = refused(&fake, &divert(kind, &[])).await;
        assert!(why.contains("sends partner-a 100 %, partner-b 0 %: name who is to get"), "{why}");
        assert!(why.contains("such as partner-b=20"), "{why}");
    }
}

#[tokio::test]
async fn shares_that_cannot_be_meant_are_refused() {
    let fake = shop().await;
    for kind in KINDS {
        for (shares, why) in [
            (&[("partner-c", 20)][..], "sends nothing to \"partner-c\", but partner-a 100 %, partner-b 0 %"),
            (&[("partner-a", 20), ("partner-b", 20)], "have to make 100 %"),
            (&[("partner-a", 120)], "at most 100 %"),
            (&[("partner-a", 100)], "sends partner-a 100 %, partner-b 0 % already"),
        ] {
            let said = refused(&fake, &divert(kind, shares)).await;
            assert!(said.contains(why), "{kind}: {said}");
        }
    }
    let twice = divert(Kind::VirtualService, &[("partner-b", 20), ("partner-b.shop.svc.cluster.local", 20)]);
    assert!(refused(&fake, &twice).await.contains("partner-b is named twice"));
}

#[tokio::test]
async fn nothing_is_sent_where_no_pod_is_ready() {
    let fake = shop().await;
    fake.state().objects.pods("partner-b", 2, false, &json!({ "app": "partner-b" }));
    for kind in KINDS {
        let why = refused(&fake, &divert(kind, &[("partner-b", 5)])).await;
        assert_eq!(why, "partner-b has no ready pod: 5 % of the traffic would fail");
    }
}

#[tokio::test]
async fn all_of_it_to_fewer_pods_than_carry_it_takes_a_second_person() {
    let fake = shop().await;
    for kind in KINDS {
        let all = plan(&fake, &divert(kind, &[("partner-b", 100)])).await.unwrap();
        assert_eq!(all.tier, Tier::Grave);
        assert_eq!(
            fact(&all, "capacity"),
            ("partner-b: 2 ready pods for 100 %, 50 % each; a pod carries 33.3 % of it now", true)
        );
    }
    fake.state().objects.pods("partner-b", 3, true, &json!({ "app": "partner-b" }));
    for kind in KINDS {
        assert_eq!(plan(&fake, &divert(kind, &[("partner-b", 100)])).await.unwrap().tier, Tier::Lowers);
    }
}

#[tokio::test]
async fn what_a_destination_elsewhere_can_take_is_said_not_to_be_known() {
    let fake = shop().await;
    let outside = json!({ "host": "api.partner.example" });
    fake.state().objects.at(VIRTUAL_SERVICE)["spec"]["http"][0]["route"][1]["destination"] = outside;
    let plan = plan(&fake, &divert(Kind::VirtualService, &[("api.partner.example", 100)])).await.unwrap();
    let (words, warns) = fact(&plan, "capacity");
    assert!(warns && words.contains("not known: api.partner.example is not a Service of this cluster"), "{words}");
    assert_eq!(plan.tier, Tier::Lowers);
}

#[tokio::test]
async fn a_subset_that_no_rule_names_gets_nothing() {
    let fake = shop().await;
    {
        let mut state = fake.state();
        let route = json!([
            { "destination": { "host": "partner-a", "subset": "v1" }, "weight": 100 },
            { "destination": { "host": "partner-a", "subset": "v2" }, "weight": 0 },
        ]);
        state.objects.at(VIRTUAL_SERVICE)["spec"]["http"][0]["route"] = route;
        state.objects.pods("partner-v2", 1, true, &json!({ "app": "partner-a", "version": "v2" }));
    }
    let want = divert(Kind::VirtualService, &[("v2", 10)]);
    let why = refused(&fake, &want).await;
    assert!(why.starts_with("v2: no DestinationRule names the subset v2, so 10 % of the traffic"), "{why}");

    let rule = |host: &str| {
        json!({ "metadata": { "name": "partner-a", "namespace": "shop" }, "spec": { "host": host, "subsets": [
            { "name": "v1", "labels": { "track": "stable" } }, { "name": "v2", "labels": { "version": "v2" } },
        ] } })
    };
    let rules = "/apis/networking.istio.io/v1/namespaces/shop/destinationrules";
    fake.state().objects.put(rules, rule("partner-b"));
    assert!(refused(&fake, &want).await.contains("no DestinationRule"), "a rule for another host says nothing");
    fake.state().objects.put(rules, rule("partner-a.shop.svc.cluster.local"));
    let plan = plan(&fake, &want).await.unwrap();
    assert_eq!(plan.changed(), "v1 100 % → 90 %, v2 0 % → 10 %");
    assert_eq!(fact(&plan, "capacity").0, "v2: 1 ready pod for 10 %, 10 % each; a pod carries 33.3 % of it now");
}

#[tokio::test]
async fn of_several_routes_the_one_that_fits_is_taken_and_else_one_is_named() {
    let fake = shop().await;
    {
        let mut state = fake.state();
        let http = &mut state.objects.at(VIRTUAL_SERVICE)["spec"]["http"];
        let mut other = http[0].clone();
        other["name"] = json!("cards");
        http.as_array_mut().unwrap().insert(0, json!({ "redirect": { "uri": "/" } }));
        http.as_array_mut().unwrap().push(other);
    }
    let why = refused(&fake, &divert(Kind::VirtualService, &[("partner-b", 40)])).await;
    assert!(why.contains("more than once (1: partner-a 100 %, partner-b 0 %; cards: partner-a 100 %"), "{why}");
    assert!(why.ends_with("say which, such as 1:partner-b=40"), "{why}");
    for (name, pointer) in [("cards:partner-b", "/spec/http/2/route/0"), ("1:partner-b", "/spec/http/1/route/0")] {
        let plan = plan(&fake, &divert(Kind::VirtualService, &[(name, 40)])).await.unwrap();
        assert_eq!(&*plan.changes[0].pointer, pointer);
    }
    fake.state().objects.at(VIRTUAL_SERVICE)["spec"]["http"][2]["route"][1]["destination"]["host"] =
        json!("partner-a2");
    fake.state().objects.service("partner-a2", &json!({ "app": "partner-a" }));
    let plan = plan(&fake, &divert(Kind::VirtualService, &[("partner-a2", 40)])).await.unwrap();
    assert_eq!(&*plan.changes[1].pointer, "/spec/http/2/route/1", "only one of them has it");
}

#[tokio::test]
async fn a_cluster_that_serves_the_older_version_alone_is_read_and_written_there() {
    let fake = shop().await;
    {
        let mut state = fake.state();
        let object = state.objects.by_path.remove(VIRTUAL_SERVICE).unwrap();
        state.objects.put(&VIRTUAL_SERVICE.replace("/v1/", "/v1beta1/").replace("/partner", ""), object);
        *state.objects.at("/apis/networking.istio.io") = json!({ "versions": [{ "version": "v1beta1" }] });
    }
    let plan = plan(&fake, &divert(Kind::VirtualService, &[("partner-b", 40)])).await.unwrap();
    assert_eq!(plan.preview, Preview::Accepted);
    let state = fake.state();
    assert!(state.seen.iter().any(|seen| seen.method == "PATCH" && seen.path.contains("/v1beta1/")));
}

#[tokio::test]
async fn who_keeps_the_weights_is_named_and_a_rollout_is_not_written_over() {
    let fake = shop().await;
    let rollout = |strategy: Value| rollout("shop", strategy);
    let istio = json!({ "canary": { "trafficRouting": { "istio": { "virtualService": { "name": "partner" } } } } });
    let plugin = json!({ "canary": { "trafficRouting": { "plugins": {
        "argoproj-labs/gatewayAPI": { "httpRoutes": [{ "name": "partner" }] } } } } });
    let colors = json!({ "blueGreen": { "activeService": "checkout", "previewService": "checkout-preview" } });
    for (kind, strategy) in [(Kind::VirtualService, istio), (Kind::HttpRoute, plugin), (Kind::Service, colors)] {
        fake.state().objects.put(ROLLOUTS, rollout(json!({ "canary": {} })));
        assert!(plan(&fake, &mesh::wish(kind)).await.unwrap().owners.is_empty(), "it is about something else");
        fake.state().objects.put(ROLLOUTS, rollout(strategy));
        let plan = plan(&fake, &mesh::wish(kind)).await.unwrap();
        assert_eq!((&*plan.owners[0].name, plan.owners[0].effect), ("Rollout pay", OwnerEffect::Reverts));
        assert!(Engine::blocked(&plan).unwrap().contains("promote or abort the Rollout instead"));
        assert_eq!(plan.instead, None, "there is nothing to abort");
        fake.state().objects.at(&format!("{ROLLOUTS}/pay"))["status"] =
            json!({ "currentPodHash": "new", "stableRS": "old" });
        let instead = self::plan(&fake, &mesh::wish(kind)).await.unwrap().instead.unwrap();
        let Request::Abort { target } = *instead.request else { panic!("{}", instead.words) };
        assert_eq!((target.kind, target.path.to_string().as_str()), (Kind::Rollout, "shop/pay"));
    }
    fake.state().objects.put(ROLLOUTS, rollout(json!({})));

    let tracking = json!({ "argocd.argoproj.io/tracking-id": "shop:networking.istio.io/VirtualService:shop/partner" });
    fake.state().objects.at(VIRTUAL_SERVICE)["metadata"]["annotations"] = tracking;
    let effect = async |spec: Value| {
        fake.state().application = Some(json!({ "spec": spec }));
        plan(&fake, &mesh::wish(Kind::VirtualService)).await.unwrap().owners[0].effect
    };
    let heals = json!({ "syncPolicy": { "automated": { "selfHeal": true } } });
    let ignoring = |pointer: &str| {
        let mut spec = heals.clone();
        spec["ignoreDifferences"] = json!([{ "kind": "VirtualService", "jsonPointers": [pointer] }]);
        spec
    };
    assert_eq!(effect(heals.clone()).await, OwnerEffect::Reverts);
    let instead = plan(&fake, &mesh::wish(Kind::VirtualService)).await.unwrap().instead.unwrap();
    assert_eq!(instead.words, "turn auto-sync of Application shop off first, at the version that runs");
    assert_eq!(effect(ignoring("/spec/http")).await, OwnerEffect::Informs);
    assert_eq!(effect(ignoring("/spec/http/0/route/0")).await, OwnerEffect::Reverts, "that is one of two");
    assert_eq!(effect(json!({ "syncPolicy": null })).await, OwnerEffect::MayRevert);
}

#[tokio::test]
async fn an_exception_for_the_weights_alone_is_enough_for_who_heals_itself() {
    let fake = shop().await;
    let effect = async |kind: Kind, exception: Value| {
        let mut ignored = json!({ "kind": kind.as_str() });
        ignored.as_object_mut().unwrap().extend(exception.as_object().unwrap().clone());
        let tracking = json!({ "argocd.argoproj.io/tracking-id": format!("shop:x/{kind}:shop/partner") });
        {
            let mut state = fake.state();
            state.objects.at(mesh::path(kind))["metadata"]["annotations"] = tracking;
            state.application = Some(json!({ "spec": {
                "syncPolicy": { "automated": { "selfHeal": true } }, "ignoreDifferences": [ignored] } }));
        }
        plan(&fake, &mesh::wish(kind)).await.unwrap().owners[0].effect
    };
    let (both, one) = ("/spec/http/0/route/0/weight", "/spec/http/0/route/1/weight");
    assert_eq!(effect(Kind::VirtualService, json!({ "jsonPointers": [both, one] })).await, OwnerEffect::Informs);
    assert_eq!(effect(Kind::VirtualService, json!({ "jsonPointers": [one] })).await, OwnerEffect::Reverts);
    for (kind, path, told) in [
        (Kind::VirtualService, ".spec.http[].route[].weight", OwnerEffect::Informs),
        (Kind::VirtualService, ".spec.http[]?.route[]?.weight", OwnerEffect::Informs),
        (Kind::VirtualService, ".spec.http[].route", OwnerEffect::Informs),
        (Kind::VirtualService, ".spec.http[].rout", OwnerEffect::Reverts),
        (Kind::VirtualService, ".spec.tcp[].route[].weight", OwnerEffect::Reverts),
        (Kind::VirtualService, "", OwnerEffect::Reverts),
        (Kind::HttpRoute, ".spec.rules[].backendRefs[].weight", OwnerEffect::Informs),
    ] {
        assert_eq!(effect(kind, json!({ "jqPathExpressions": [path] })).await, told, "{kind} {path}");
    }
}

#[tokio::test]
async fn a_rollout_of_another_namespace_and_one_that_plays_ping_pong_are_found() {
    let fake = shop().await;
    let of =
        |name: &str| json!({ "canary": { "trafficRouting": { "istio": { "virtualServices": [{ "name": name }] } } } });
    let elsewhere = ROLLOUTS.replace("/shop/", "/payments/");
    let owners = async |want: &Request| plan(&fake, want).await.unwrap().owners;
    let want = mesh::wish(Kind::VirtualService);
    fake.state().objects.put(&elsewhere, rollout("payments", of("partner")));
    assert_eq!(owners(&want).await, [], "one of its own namespace is called so");
    fake.state().objects.put(&elsewhere, rollout("payments", of("partner.shop")));
    let first = owners(&want).await.remove(0);
    assert_eq!((&*first.name, first.effect), ("Rollout payments/pay", OwnerEffect::Reverts));
    fake.state().objects.at(&format!("{elsewhere}/pay"))["status"] = json!({ "currentPodHash": "n", "stableRS": "o" });
    let Request::Abort { target } = *plan(&fake, &want).await.unwrap().instead.unwrap().request else { panic!() };
    assert_eq!(target.path.to_string(), "payments/pay");

    // Who may not look there is told so, and what is near is seen all the same.
    fake.state().forbidden = vec!["/apis/argoproj.io/v1alpha1/rollouts"];
    fake.state().objects.put(ROLLOUTS, rollout("shop", of("partner")));
    let told = owners(&want).await;
    assert_eq!((&*told[0].name, told[0].effect), ("Rollout pay", OwnerEffect::Reverts));
    assert_eq!(told[1].effect, OwnerEffect::MayRevert);
    assert!(told[1].words.starts_with("those of other namespaces could not be read"), "{}", told[1].words);

    let ping_pong = json!({ "canary": { "pingPong": { "pingService": "other", "pongService": "checkout" } } });
    fake.state().objects.put(ROLLOUTS, rollout("shop", ping_pong));
    assert_eq!(owners(&switch("green")).await[0].effect, OwnerEffect::Reverts);
}

#[tokio::test]
async fn a_switch_counts_who_would_answer() {
    let fake = shop().await;
    let plan = plan(&fake, &switch("green")).await.unwrap();
    assert_eq!((&*plan.title, plan.tier, plan.ends), ("switch Service checkout", Tier::Lowers, Ends::Reminder));
    assert_eq!(plan.changed(), "color blue → green");
    let change = &plan.changes[0];
    assert_eq!((&*change.pointer, &*change.before, &*change.after), ("/spec/selector/color", "\"blue\"", "\"green\""));
    assert_eq!(fact(&plan, "capacity"), ("green has 4 ready pods for 100 %; blue has 4 ready pods", false));
    assert_eq!(
        plan.undo.as_deref(),
        Some("color green → blue, while nobody else has changed it and blue has ready pods")
    );
    assert_eq!(plan.preview, Preview::Accepted);
    assert!(plan.command.contains("patch services/checkout --type=json"), "{}", plan.command);
}

#[tokio::test]
async fn a_switch_to_nobody_is_an_outage_and_to_fewer_takes_a_second_person() {
    let fake = shop().await;
    assert!(refused(&fake, &switch("red")).await.contains("no ready pod has color=red"));
    assert!(refused(&fake, &switch("blue")).await.contains("selects app=checkout, color=blue already"));
    let key = Request::Switch { target: mesh::target(Kind::Service), key: "version".into(), to: "2".into() };
    assert!(refused(&fake, &key).await.contains("does not select by \"version\", but by app=checkout, color=blue"));
    fake.state().objects.pods("checkout-green", 1, false, &json!({ "app": "checkout", "color": "green" }));
    let fewer = plan(&fake, &switch("green")).await.unwrap();
    assert_eq!((fewer.tier, fact(&fewer, "capacity").1), (Tier::Grave, true));
    fake.state().objects.pods("checkout-green", 4, false, &json!({ "app": "checkout", "color": "green" }));
    assert!(refused(&fake, &switch("green")).await.contains("would be an outage"));
}

#[tokio::test]
async fn a_key_with_a_slash_is_one_key() {
    let fake = shop().await;
    fake.state().objects.at(SERVICE)["spec"]["selector"] = json!({ "shop.example/color": "blue" });
    for color in ["blue", "green"] {
        fake.state().objects.pods(color, 2, true, &json!({ "shop.example/color": color }));
    }
    let key =
        Request::Switch { target: mesh::target(Kind::Service), key: "shop.example/color".into(), to: "green".into() };
    let plan = plan(&fake, &key).await.unwrap();
    assert_eq!(&*plan.changes[0].pointer, "/spec/selector/shop.example~1color");
    assert_eq!(plan.preview, Preview::Accepted);
}

#[tokio::test]
async fn weights_elsewhere_and_names_that_are_paths_make_no_request() {
    let fake = shop().await;
    let hosts = json!([{ "name": "../../x" }, { "name": "partner-b", "namespace": "a/b" }]);
    fake.state().objects.at(HTTP_ROUTE)["spec"]["rules"][0]["backendRefs"] = hosts;
    let plan = plan(&fake, &divert(Kind::HttpRoute, &[("partner-b", 40)])).await.unwrap();
    assert!(fact(&plan, "capacity").0.contains("its name is not one of a Service"));
    assert!(fake.state().seen.iter().all(|seen| !seen.path.contains("..") && !seen.path.contains("a/b")));
}
