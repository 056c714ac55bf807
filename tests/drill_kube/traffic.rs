//! What divides traffic: what the API takes, and whom it leads to.

use serde_json::{Value, json};
use warroom::drill::kube::{Flow, RouteKind, RouteSpec};

use super::shop::*;

const SERVICE: &str = "/api/v1/namespaces/shop/services/payments";
const MESH: &str = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/pay";
const ROUTE: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/pay";

fn divided(kind: RouteKind) -> Shop {
    let shop = Shop::new();
    shop.cluster.divide(&RouteSpec {
        kind,
        namespace: "shop".into(),
        name: "pay".into(),
        host: "payments".into(),
        to: vec![("payments".into(), 3), ("catalog".into(), 1)],
    });
    shop
}

/// Who takes the calls to payments, in per cent.
fn flows(shop: &Shop) -> Vec<(String, u32)> {
    let percent = |flow: Flow| {
        let to = flow.to.map_or("nobody".to_owned(), |(_, name)| name);
        (to, (flow.share * 100.0).round() as u32)
    };
    shop.cluster.flows("shop", "payments").into_iter().map(percent).collect()
}

fn to(parts: &[(&str, u32)]) -> Vec<(String, u32)> {
    parts.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect()
}

#[tokio::test]
async fn calls_follow_the_weights_that_the_api_holds() {
    assert_eq!(flows(&Shop::new()), to(&[("payments", 100)]), "where nothing divides them");
    for (kind, path, weight) in [
        (RouteKind::VirtualService, MESH, "/spec/http/0/route/1/weight"),
        (RouteKind::HttpRoute, ROUTE, "/spec/rules/0/backendRefs/1/weight"),
    ] {
        let shop = divided(kind);
        assert_eq!(flows(&shop), to(&[("payments", 75), ("catalog", 25)]));
        let set = |value: Value| json!([{"op": "replace", "path": weight, "value": value}]);
        assert_eq!(shop.patch(path, JSON_PATCH, set(json!(9))).await.0, 200);
        assert_eq!(flows(&shop), to(&[("payments", 25), ("catalog", 75)]));
        assert_eq!(shop.patch(path, JSON_PATCH, set(json!(0))).await.0, 200);
        assert_eq!(flows(&shop), to(&[("payments", 100)]));
        for wrong in [json!(-1), json!("much"), json!(1.5)] {
            assert_eq!(shop.patch(path, JSON_PATCH, set(wrong)).await.0, 422);
        }
        assert_eq!(shop.patch(path, "application/strategic-merge-patch+json", json!({})).await.0, 415);
        assert_eq!(shop.get(path).await["metadata"]["generation"], 3);
    }
    let shop = divided(RouteKind::VirtualService);
    let none = json!([{"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 0},
        {"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 0}]);
    let (code, said) = shop.patch(MESH, JSON_PATCH, none).await;
    assert_eq!(code, 422);
    assert!(said["message"].as_str().unwrap().contains("total destination weight = 0"), "{said}");
}

#[tokio::test]
async fn a_subset_that_nobody_defines_and_a_service_that_is_not_there_lead_nowhere() {
    let shop = divided(RouteKind::VirtualService);
    let point = |to: Value| json!([{"op": "replace", "path": "/spec/http/0/route/1/destination", "value": to}]);
    for nowhere in [json!({"host": "catalog", "subset": "v2"}), json!({"host": "elsewhere"})] {
        assert_eq!(shop.patch(MESH, JSON_PATCH, point(nowhere)).await.0, 200);
        assert_eq!(flows(&shop), to(&[("payments", 75), ("nobody", 25)]));
    }
    assert_eq!(shop.patch(MESH, JSON_PATCH, point(json!({"host": "catalog.shop.svc.cluster.local"}))).await.0, 200);
    assert_eq!(flows(&shop), to(&[("payments", 75), ("catalog", 25)]));
}

#[tokio::test]
async fn a_route_says_whether_its_backends_are_there() {
    let mut shop = divided(RouteKind::HttpRoute);
    let told = async |shop: &Shop| {
        let route = shop.get(ROUTE).await;
        let conditions = route["status"]["parents"][0]["conditions"].clone();
        let of = |at: usize| (conditions[at]["status"].clone(), conditions[at]["observedGeneration"].clone());
        (of(0), of(1))
    };
    let yes = |generation: u32| (json!("True"), json!(generation));
    assert_eq!(told(&shop).await, (yes(1), yes(1)));
    let name = json!([{"op": "replace", "path": "/spec/rules/0/backendRefs/1/name", "value": "elsewhere"}]);
    shop.patch(ROUTE, JSON_PATCH, name).await;
    assert_eq!(told(&shop).await, (yes(1), yes(1)), "nobody has looked yet");
    shop.seconds(1);
    assert_eq!(told(&shop).await, (yes(2), (json!("False"), json!(2))));
}

#[tokio::test]
async fn a_selector_leads_to_other_pods_and_the_endpoints_follow() {
    let mut shop = Shop::new();
    let slices = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices\
                  ?labelSelector=kubernetes.io%2Fservice-name%3Dpayments";
    let behind = async |shop: &Shop| {
        let list = shop.get(slices).await;
        let ends = list["items"][0]["endpoints"].as_array().unwrap().clone();
        ends.iter().map(|end| end["targetRef"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let of = |shop: &Shop, app: &str| -> Vec<String> {
        shop.cluster.pods("shop", app).into_iter().map(|pod| pod.name).collect()
    };
    assert_eq!(behind(&shop).await, of(&shop, "payments"));
    let select = |app: &str| json!([{"op": "replace", "path": "/spec/selector/app", "value": app}]);
    let (code, service) = shop.patch(SERVICE, JSON_PATCH, select("catalog")).await;
    assert_eq!((code, &service["metadata"]["generation"]), (200, &Value::Null), "a Service has no generation");
    assert_eq!(flows(&shop), to(&[("catalog", 100)]));
    shop.seconds(1);
    assert_eq!(behind(&shop).await, of(&shop, "catalog"));
    shop.patch(SERVICE, JSON_PATCH, select("nobody")).await;
    shop.seconds(1);
    assert_eq!((flows(&shop), behind(&shop).await), (to(&[("nobody", 100)]), Vec::new()));
    let address = json!([{"op": "replace", "path": "/spec/clusterIP", "value": "10.0.0.1"}]);
    assert_eq!(shop.patch(SERVICE, JSON_PATCH, address).await.0, 422);
    let number = json!([{"op": "replace", "path": "/spec/selector/app", "value": 1}]);
    assert_eq!(shop.patch(SERVICE, JSON_PATCH, number).await.0, 400);
}
