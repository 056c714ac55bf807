//! What is left to carry the traffic: targets that traffic reaches, in zones that it goes to, each once.

use super::*;

fn capacity(plan: &Plan) -> Vec<(&str, bool)> {
    let facts = plan.facts.iter().filter(|fact| fact.label == "capacity");
    facts.map(|fact| (fact.words.as_str(), fact.warns)).collect()
}

const A: &str = "eu-central-1a";
const B: &str = "eu-central-1b";
const C: &str = "eu-central-1c";

#[tokio::test]
async fn targets_of_a_group_without_weight_are_not_left_to_carry_anything() {
    let fake = Fake::start().await;
    fake.state().traffic.zones = [vec![A, A, B], vec![B, B, C]];
    let plan = plan(&fake, away(A, 60)).await.unwrap();
    assert_eq!(plan.blast.words, "2 of 3 healthy targets get no new connections");
    assert_eq!(capacity(&plan), [("1 healthy target is left, with 200 % more to do: scale up first", true)]);
    assert_eq!((plan.blast.ready_before, plan.blast.fewest_ready), (3, Some(1)));
    // As soon as traffic goes there they are.
    fake.state().traffic.groups = [9, 1];
    let both = self::plan(&fake, away(A, 60)).await.unwrap();
    assert_eq!(both.blast.words, "2 of 6 healthy targets get no new connections");
    assert_eq!(
        capacity(&both),
        [
            ("4 healthy targets are left, each with 50 % more to do: scale up first", true),
            ("most in blue: 1 of its 3 are left, with 200 % more to do", true)
        ]
    );
}

#[tokio::test]
async fn a_target_of_two_groups_is_one_target() {
    let fake = Fake::start().await;
    {
        let mut state = fake.state();
        (state.traffic.groups, state.traffic.same) = ([1, 1], true);
    }
    let plan = plan(&fake, away(A, 60)).await.unwrap();
    assert_eq!(plan.blast.words, "1 of 3 healthy targets get no new connections");
    // To divide between the two adds nobody.
    let all = self::plan(&fake, rule(&[("green", 60)])).await.unwrap();
    assert_eq!(all.blast.words, "10 % of its requests go elsewhere; 3 healthy targets carry them now, 3 will");
    assert!(
        capacity(&all)[0].0.ends_with("; 3 of them are in another of these groups, too, and carry its share besides")
    );
    assert!(capacity(&all)[0].1);
}

#[tokio::test]
async fn a_group_that_is_left_without_targets_takes_a_second_person() {
    let fake = Fake::start().await;
    {
        let mut state = fake.state();
        state.traffic.groups = [1, 1];
        state.traffic.zones = [vec![A, A, A], vec![B, B, C]];
    }
    let plan = plan(&fake, away(A, 60)).await.unwrap();
    assert_eq!(plan.tier, Tier::Grave);
    assert_eq!(capacity(&plan)[1], ("no healthy target of blue is left in the other zones", true));
}

#[tokio::test]
async fn zones_are_told_as_they_are() {
    let fake = Fake::start().await;
    fake.state().traffic.zones[0] = vec![A, B, B];
    let empty = plan(&fake, away(C, 60)).await.unwrap();
    let zone = "eu-central-1c (euc1-az1), one of 3; healthy targets: eu-central-1a 1, eu-central-1b 2, eu-central-1c 0";
    assert_eq!((empty.facts[0].words.as_str(), empty.tier), (zone, Tier::Lowers));
    assert_eq!(capacity(&empty), [("no healthy target is in eu-central-1c: all 3 go on", false)]);

    // An instance's zone is not told: it is not counted on.
    fake.state().traffic.zones[0] = vec![A, B, ""];
    let some = plan(&fake, away(A, 60)).await.unwrap();
    assert_eq!(some.blast.words, "1 of 2 healthy targets get no new connections; the zone of 1 more is not told");
    assert_eq!(
        capacity(&some)[0].0,
        "1 healthy target is left, with 100 % more to do: scale up first; the zone of 1 more is not told"
    );
    fake.state().traffic.zones[0] = vec!["", "", ""];
    let none = plan(&fake, away(A, 60)).await.unwrap();
    assert_eq!(capacity(&none), [("the zones of its targets are not told: see that the others can take it", true)]);
    assert_eq!((none.blast.words.as_str(), none.tier), ("1 of 3 zones gets no new connections", Tier::Lowers));

    fake.state().traffic.healthy = [0, 3];
    let ill = plan(&fake, away(A, 60)).await.unwrap();
    assert_eq!(ill.tier, Tier::Grave);
    assert!(capacity(&ill)[0].0.starts_with("no healthy target gets traffic in any zone"));
}

#[tokio::test]
async fn weights_beside_a_shift_that_is_on_count_what_the_shift_leaves() {
    let fake = Fake::start().await;
    fake.state().traffic.shifts = vec![("x".into(), "euc1-az2".into(), "game day".into())];
    for shares in [rule(&[("green", 10)]), divert(Kind::Listener, "", LISTENER, &[("green", 10)])] {
        let plan = plan(&fake, shares).await.unwrap();
        let zones = plan.facts.iter().find(|fact| fact.label == "zones").unwrap();
        assert_eq!(zones.words, "traffic is shifted away from eu-central-1a, until 12:06Z (game day)");
        assert!(zones.warns);
        let green = "green: 2 healthy targets for 10 %, 5 % each; a target carries 50 % of it now; 1 more are in a \
                     zone that gets no traffic";
        assert_eq!(capacity(&plan), [(green, false)]);
        assert!(plan.blast.words.ends_with("; 2 healthy targets carry them now, 4 will"), "{}", plan.blast.words);
        // One action at a time goes on at a load balancer.
        assert_eq!((plan.affects[0].kind, plan.affects[0].path.name.as_str()), (Kind::LoadBalancer, BALANCER));
    }
    fake.state().traffic.zones[1] = vec![A, A, A];
    let why = refused(&fake, rule(&[("green", 10)])).await;
    assert!(why.contains("green has no healthy target in a zone that is served, of 3: "), "{why}");
    assert!(fake.state().writes().is_empty());
}

#[tokio::test]
async fn weights_say_whether_a_shift_could_be_asked_for() {
    let fake = Fake::start().await;
    let zones = async || {
        let plan = plan(&fake, rule(&[("green", 10)])).await.unwrap();
        plan.facts.into_iter().find(|fact| fact.label == "zones")
    };
    assert_eq!(zones().await, None);
    fake.state().traffic.unknown = Some((404, "ResourceNotFoundException"));
    assert_eq!(zones().await, None, "zonal shift does not manage it");
    fake.state().traffic.unknown = Some((403, "AccessDeniedException"));
    let unknown = zones().await.unwrap();
    assert!(unknown.warns && unknown.words.contains("could not be asked") && unknown.words.contains("AccessDenied"));
}

#[tokio::test]
async fn a_record_that_leads_to_a_load_balancer_has_its_targets_for_room() {
    let fake = Fake::start().await;
    let unknown = plan(&fake, records(&[("b", 25)])).await.unwrap();
    assert_eq!(capacity(&unknown), [("b: what stands behind it is not known here: see that it can take 25 %", true)]);
    fake.state().traffic.aliases[1] = Some("dualstack.shop-12.eu-central-1.elb.amazonaws.com.");
    let one = plan(&fake, records(&[("b", 25)])).await.unwrap();
    assert_eq!(capacity(&one), [("b, shop: 3 healthy targets for 25 %, 8.3 % each", false)]);
    assert_eq!(one.blast.words, "25 % of its answers lead elsewhere", "what carries it now is not known");

    fake.state().traffic.aliases[0] = Some("shop-12.eu-central-1.elb.amazonaws.com.");
    let both = plan(&fake, records(&[("b", 25)])).await.unwrap();
    assert_eq!(
        capacity(&both),
        [("b, shop: 3 healthy targets for 25 %, 8.3 % each; a target carries 33.3 % of it now", false)]
    );
    let words = "25 % of its answers lead elsewhere; 3 healthy targets carry them now, 3 will";
    assert_eq!(both.blast.words, words, "they are the same");
    fake.state().traffic.aliases[1] = Some("far-9.us-east-1.elb.amazonaws.com.");
    let far = plan(&fake, records(&[("b", 25)])).await.unwrap();
    let why = "b: what it can take of 25 % is not known (it is no load balancer of this account and region)";
    assert_eq!(capacity(&far), [(why, true)]);

    fake.state().traffic.aliases[1] = Some("shop-12.eu-central-1.elb.amazonaws.com.");
    fake.state().traffic.healthy = [0, 3];
    let why = refused(&fake, records(&[("b", 25)])).await;
    assert!(
        why.contains("b leads to shop, which has no healthy target that gets traffic, of 3: 25 % would fail"),
        "{why}"
    );
}
