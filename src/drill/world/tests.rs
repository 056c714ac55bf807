//! The story that the shipped scenario tells, on a toy cluster, tick by tick.

use super::toy::Toy;
use super::*;
use crate::drill::promql::{Value, instant, parse};
use crate::drill::scenario::Times;

const PAYMENTS: &str = "payments/payments";

struct Told {
    world: World,
    toy: Toy,
    times: Times,
}

fn start(seed: u64) -> Told {
    let scenario = Arc::new(Scenario::shipped("rate-limit-storm").unwrap());
    let toy = Toy::new(&scenario);
    let times = Times::new(&scenario, seed);
    Told { world: World::with_fleet(&scenario, seed, Box::new(toy.clone())), toy, times }
}

impl Told {
    fn release(&self) -> clock::World {
        self.times.named("release").unwrap()
    }

    fn run_past_release(&mut self, minutes: i64) {
        let to = self.release() + TimeDelta::minutes(minutes);
        self.world.run_to(to);
    }

    fn signal(&self, service: &str, name: &str) -> f64 {
        let service = self.world.scenario().services().iter().find(|s| s.name.as_str() == service).unwrap();
        let query = &service.signals.iter().find(|s| s.name == name).unwrap().query;
        match instant(self.world.store(), &parse(query).unwrap(), self.world.now().timestamp_millis()).unwrap() {
            Value::Vector(samples) => samples[0].value,
            other => panic!("{other:?}"),
        }
    }

    fn utilisation(&self) -> f64 {
        let at = self.world.scenario().workload_at(PAYMENTS).unwrap();
        self.world.physics.bodies[at].now.utilisation
    }
}

#[test]
fn a_quiet_night_is_quiet_until_the_release() {
    let mut told = start(1);
    told.run_past_release(-1);
    assert!(told.signal("checkout", "errors") < 0.004);
    assert!((0.1..1.0).contains(&told.signal("payments", "p99")));
    assert!(told.signal("payments", "errors") < 0.01);
    assert!((0.05..0.5).contains(&told.utilisation()), "{}", told.utilisation());
    assert_eq!(told.world.alerts().active().count(), 0, "nothing even pends");
    assert!(told.world.alarms().history.is_empty());
}

#[test]
fn the_storm_takes_payments_down_and_hurts_checkout_now_and_then() {
    let mut told = start(1);
    told.run_past_release(6);
    assert!(told.utilisation() > 1.1);
    assert!((0.04..0.12).contains(&told.signal("checkout", "errors")), "{}", told.signal("checkout", "errors"));
    assert!(told.signal("checkout", "p99") > 4.0);
    assert!(told.signal("payments", "p99") > 5.0);
    assert!(told.signal("payments", "refusals") > 500.0);
    assert!(told.signal("login", "errors") < 0.01 && told.signal("cart", "errors") < 0.01, "others are not touched");
    assert!(told.world.physics.nodes.iter().any(|used| *used > 0.95), "a node is out of CPU");
    let usage = told.toy.seen().usage;
    assert!(usage.iter().any(|(pod, (cpu, _))| pod.starts_with("payments-") && *cpu > 1400));
}

#[test]
fn starved_pods_run_out_of_memory_in_the_end() {
    let mut told = start(1);
    told.run_past_release(3);
    assert!(told.toy.seen().killed.is_empty());
    told.run_past_release(16);
    assert!(!told.toy.seen().killed.is_empty());
    assert!(told.toy.seen().killed.iter().all(|pod| pod.starts_with(PAYMENTS)));
}

#[test]
fn the_old_image_cures_as_well_as_the_fixed_one() {
    let mut told = start(1);
    told.run_past_release(6);
    told.toy.clone().release("payments", "payments", "registry.example/payments:2.8.0", "ana");
    told.run_past_release(12);
    assert!(told.signal("checkout", "errors") < 0.01);
    assert!(told.signal("payments", "errors") < 0.02);
}

#[test]
fn a_deployment_scaled_to_nothing_fails_every_request() {
    let mut told = start(1);
    told.run_past_release(-5);
    told.toy.scale(PAYMENTS, 0);
    told.run_past_release(-2);
    assert!(told.signal("checkout", "errors") > 0.95);
}

#[test]
fn developers_ship_earlier_when_asked_and_say_so() {
    let mut told = start(1);
    told.run_past_release(6);
    let asked = told.world.now();
    let answer = told.world.ask("developers").unwrap();
    assert!(answer.contains("2.9.1") && answer.contains("About "), "{answer}");
    assert_ne!(told.world.ask("developers").unwrap(), answer, "asked again they say that they are at it");
    told.run_past_release(20);
    let released = told.toy.seen().released;
    let (at, _) = released.iter().find(|(_, image)| image.ends_with("payments:2.9.1")).unwrap();
    let took = *at - asked;
    assert!((TimeDelta::minutes(7)..TimeDelta::minutes(10)).contains(&took), "{took}");
    assert!(told.world.ask("developers").unwrap().contains("is out"));
    assert!(told.world.ask("the boss").unwrap_err().to_string().contains("there are: developers"));
}

#[test]
fn a_second_is_a_function_of_scenario_seed_and_what_came_before() {
    let tell = |seed: u64| {
        let mut told = start(seed);
        told.run_past_release(4);
        let states: Vec<_> = told.world.physics.bodies.iter().map(|body| format!("{:?}", body.now)).collect();
        (states, told.world.logs().groups.clone())
    };
    let (one, again, other) = (tell(3), tell(3), tell(4));
    assert_eq!(one, again);
    assert_ne!(one.0, other.0);
}

#[test]
fn logs_stay_light_and_tell_what_happens() {
    let mut told = start(1);
    told.run_past_release(-10);
    let quiet = told.toy.seen().lines;
    told.run_past_release(0);
    let usual = (told.toy.seen().lines - quiet) as f64 / 600.0;
    told.run_past_release(3);
    let before = told.toy.seen().lines;
    told.run_past_release(8);
    let storm = (told.toy.seen().lines - before) as f64 / 300.0;
    assert!((2.0..20.0).contains(&usual), "{usual} lines a second");
    assert!(storm > usual * 1.5 && storm < 40.0, "{storm} lines a second in the storm");
    let from = (told.release() + TimeDelta::minutes(3)).timestamp_millis();
    let errors = |group: &str, part: &str| {
        told.world.logs().groups[group].iter().filter(|event| event.at > from && event.message.contains(part)).count()
    };
    assert!(errors("/prod/payments", "429 Too Many Requests") > 100);
    assert!(errors("/prod/checkout", "ERROR") > 100);
    assert!(told.world.logs().groups.values().all(|events| events.is_sorted_by_key(|event| event.at)));
}

/// What comes from outside goes where the load balancer's rule sends it.
#[test]
fn the_shop_window_shares_its_load_by_the_weights_of_the_rule() {
    let scenario = Arc::new(Scenario::shipped("zone-outage").unwrap());
    let mut world = World::with_fleet(&scenario, 1, Box::new(Toy::new(&scenario)));
    let requests = |world: &World| {
        ["shop/storefront", "shop/storefront-next", "shop/checkout"]
            .map(|path| world.physics.bodies[scenario.workload_at(path).unwrap()].now.requests)
    };
    world.run_to(scenario.epoch() + TimeDelta::minutes(2));
    let [all, none, checkout] = requests(&world);
    assert!((200.0..280.0).contains(&all) && none == 0.0, "{all} {none}");
    let groups = &mut world.cloud_mut().balancers[0].groups;
    (groups[0].in_rule, groups[1].in_rule) = (75, 25);
    world.tick();
    let [most, some, still] = requests(&world);
    assert!((most - all * 0.75).abs() < 6.0 && (some - all * 0.25).abs() < 6.0, "{all} is {most} and {some}");
    assert!((still - checkout).abs() < 3.0, "no group of the rule has it");
    // What the default action of the listener would do matters to nobody: the rule takes every path.
    let groups = &mut world.cloud_mut().balancers[0].groups;
    (groups[0].in_rule, groups[0].in_listener, groups[1].in_listener) = (0, 100, 0);
    world.tick();
    let [none, all, _] = requests(&world);
    assert!(none == 0.0 && (200.0..280.0).contains(&all), "{none} {all}");
}
