//! Who else writes what a plan writes: what is looked at, and what the plan says of that.

use super::*;

#[tokio::test]
async fn a_rule_that_a_controller_writes_is_left_to_it() {
    let fake = Fake::start().await;
    fake.state().traffic.tags = vec![("elbv2.k8s.aws/cluster", "prod"), ("ingress.k8s.aws/stack", "shop/web")];
    let plan = plan(&fake, rule(&[("green", 10)])).await.unwrap();
    assert_eq!(plan.owners[0].name, "AWS Load Balancer Controller shop/web");
    assert_eq!(plan.owners[0].effect, OwnerEffect::Reverts);
    assert!(Engine::blocked(&plan).is_some());
    fake.state().traffic.tags = vec![("aws:cloudformation:stack-name", "shop")];
    let stack = self::plan(&fake, rule(&[("green", 10)])).await.unwrap();
    assert_eq!((stack.owners[0].effect, Engine::blocked(&stack)), (OwnerEffect::MayRevert, None));
}

#[tokio::test]
async fn a_rule_that_a_deployment_of_ecs_divides_is_refused_and_what_was_looked_at_is_said() {
    let fake = Fake::start().await;
    let engine = Engine::new(&fake.environment(), Clock::real()).unwrap();
    let of = |path: &str| ObjectPath::new("prod", path);
    let planned = async |services: Vec<ObjectPath>| {
        engine.plan(&rule(&[("green", 10)]), &Cluster { ecs: services, ..Cluster::default() }).await
    };
    let looked = |plan: &Plan| {
        let fact = plan.facts.iter().find(|fact| fact.label == "deploys").unwrap();
        (fact.words.to_string(), fact.warns)
    };
    let told = looked(&planned(Vec::new()).await.unwrap());
    assert_eq!(told.0, "no ECS service is configured for it, so none was looked at",);
    let told = looked(&planned(vec![of("payments")]).await.unwrap());
    assert_eq!(told, ("none of EcsService prod/payments (ECS) divides it".to_owned(), false));
    let odd = looked(&planned(vec![of("pay ments"), of("payments")]).await.unwrap());
    assert!(odd.1 && odd.0.contains("EcsService prod/pay ments could not be read"), "{odd:?}");

    // The groups of another rule are none of it.
    let group = |name: &str| json!([{ "targetGroupArn": crate::respond::aws::fake::group(name), "containerPort": 80 }]);
    fake.state().ecs.service["deploymentController"] = json!({ "type": "CODE_DEPLOY" });
    fake.state().ecs.service["loadBalancers"] = group("other");
    assert!(planned(vec![of("payments")]).await.is_ok());
    fake.state().ecs.service["taskSets"] = json!([{ "loadBalancers": group("green") }]);
    let why = planned(vec![of("payments")]).await.unwrap_err().why;
    assert!(
        why.contains(
            "is left to the deployment controller CODE_DEPLOY (target group green) of EcsService prod/payments"
        ),
        "{why}"
    );
    // Blue/green of ECS itself names the rule.
    fake.state().ecs.service["deploymentController"] = json!({ "type": "ECS" });
    assert!(planned(vec![of("payments")]).await.is_ok());
    fake.state().ecs.service["loadBalancers"] = json!([{ "targetGroupArn": crate::respond::aws::fake::group("blue"),
        "advancedConfiguration": { "productionListenerRule": RULE } }]);
    let why = planned(vec![of("payments")]).await.unwrap_err().why;
    assert!(why.contains("the deployment controller ECS (a blue/green deployment of its own)"), "{why}");
    assert!(fake.state().writes().is_empty());
}

#[tokio::test]
async fn services_that_a_pattern_fits_are_looked_at_however_many_there_are() {
    let fake = Fake::start().await;
    let engine = Engine::new(&fake.environment(), Clock::real()).unwrap();
    let planned = async |patterns: &[(&str, &str)]| {
        let ecs = patterns.iter().map(|(cluster, name)| ObjectPath::new(*cluster, *name)).collect();
        let plan = engine.plan(&rule(&[("green", 10)]), &Cluster { ecs, ..Cluster::default() }).await;
        plan.map(|plan| {
            let fact = plan.facts.iter().find(|fact| fact.label == "deploys").unwrap();
            (fact.words.to_string(), fact.warns)
        })
    };
    // Two pages of names, fifteen requests for what they are.
    fake.state().ecs.others = (0..140).map(|at| format!("pay-{at}")).collect();
    let (words, warns) = planned(&[("prod", "pay*"), ("prod", "payments")]).await.unwrap();
    assert!(words.starts_with("none of EcsService prod/payments (ECS), EcsService prod/pay-0 (ECS), "), "{words}");
    assert!(words.ends_with(" and 138 more divides it") && !warns, "{words}");

    let group = json!([{ "targetGroupArn": crate::respond::aws::fake::group("green"), "containerPort": 80 }]);
    fake.state().ecs.differs = json!({ "deploymentController": { "type": "CODE_DEPLOY" }, "loadBalancers": group });
    for pattern in [("prod", "pay*"), ("pr*", "*-139"), ("prod", "pay-139")] {
        let why = planned(&[pattern]).await.unwrap_err().why;
        assert!(
            why.contains("the deployment controller CODE_DEPLOY (target group green) of EcsService prod/pay-139"),
            "{why}"
        );
    }
    assert!(planned(&[("prod", "pay-1*"), ("prod", "payments")]).await.is_err(), "the last of them is one");
    assert!(planned(&[("prod", "pay-12*")]).await.is_ok());

    // What is not looked at is said.
    fake.state().ecs.others = (0..230).map(|at| format!("pay-{at}")).collect();
    let (words, warns) = planned(&[("prod", "pay*")]).await.unwrap();
    assert!(
        warns && words.starts_with("a deployment may divide it: 31 services after the first 200 were not"),
        "{words}"
    );
    let (words, warns) = planned(&[("prod", "pay-12*"), ("prod", "none-*"), ("te*", "*")]).await.unwrap();
    assert!(warns && words.contains("EcsService prod/none-* fits none that there is"), "{words}");
    assert!(words.contains("EcsService te*/*: which of test fit was not told"), "{words}");
    fake.state().ecs.others = (0..600).map(|at| format!("pay-{at}")).collect();
    let (words, warns) = planned(&[("prod", "payments*")]).await.unwrap();
    assert!(warns && words.contains("EcsService prod/payments*: there are more services than were listed"), "{words}");
    assert!(fake.state().writes().is_empty());
}
