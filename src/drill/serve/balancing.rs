//! Elastic Load Balancing in its query protocol, and of EC2 the zones: what divides traffic and
//! who takes it.
//!
//! Shapes: the service models `elbv2-2015-12-01` and `ec2-2016-11-15`.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::drill::World;
use crate::drill::cloud::{Balancer, Cloud, Group};
use crate::drill::scenario::{BalancerShape, File, Part};

use super::aws::request_id;
use super::form::Form;

/// Status, code and words.
type Refused = (StatusCode, &'static str, String);

fn refused(code: &'static str, why: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, code, why.into())
}

/// ARNs of one world.
struct Names(File);

impl Names {
    fn of(world: &World) -> Self {
        Self(world.scenario().file.clone())
    }

    fn balancer(&self, balancer: &Balancer) -> String {
        BalancerShape::arn(&self.0, &balancer.name, Part::Balancer)
    }

    fn listener(&self, balancer: &Balancer) -> String {
        BalancerShape::arn(&self.0, &balancer.name, Part::Listener)
    }

    fn rule(&self, balancer: &Balancer) -> String {
        BalancerShape::arn(&self.0, &balancer.name, Part::Rule)
    }

    fn group(&self, group: &Group) -> String {
        let (region, account) = (&self.0.region, &self.0.account);
        format!("arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{}/73e2d6bc24d8a067", group.name)
    }
}

/// The ARN of a load balancer, as zonal shift takes it.
pub(super) fn arn(world: &World, balancer: &Balancer) -> String {
    BalancerShape::arn(&world.scenario().file, &balancer.name, Part::Balancer)
}

/// Answers a request of the query protocol, if the operation is one of these services'.
pub(super) fn answer(world: &mut World, form: &Form) -> Option<Response> {
    let operation = form.get("Action")?.to_owned();
    let known = [
        "DescribeLoadBalancers",
        "DescribeListeners",
        "DescribeRules",
        "DescribeTargetGroups",
        "DescribeTargetHealth",
        "DescribeTags",
        "ModifyRule",
        "ModifyListener",
    ];
    let id = request_id();
    if operation == "DescribeAvailabilityZones" {
        let region = &world.scenario().file.region;
        let zones: String = world
            .cloud()
            .zones
            .iter()
            .map(|zone| {
                format!(
                    "<item><zoneName>{zone}</zoneName><zoneState>available</zoneState><regionName>{region}</regionName>\
                     <zoneId>{}</zoneId></item>",
                    Cloud::zone_id(zone)
                )
            })
            .collect();
        let body = format!(
            "<DescribeAvailabilityZonesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>{id}</requestId><availabilityZoneInfo>{zones}</availabilityZoneInfo>\
             </DescribeAvailabilityZonesResponse>"
        );
        return Some(xml(StatusCode::OK, body));
    }
    if !known.contains(&operation.as_str()) {
        return None;
    }
    let namespace = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";
    Some(match perform(world, &operation, form) {
        Ok(result) => xml(
            StatusCode::OK,
            format!(
                "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{result}</{operation}Result>\
                 <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{operation}Response>"
            ),
        ),
        Err((status, code, why)) => xml(
            status,
            format!(
                "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>Sender</Type><Code>{code}</Code>\
                 <Message>{}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
                escaped(&why)
            ),
        ),
    })
}

pub(super) fn xml(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml")], body).into_response()
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The members of a list of texts.
fn members<'a>(form: &'a Form, name: &str) -> Vec<&'a str> {
    (1..=100).map_while(|at| form.get(&format!("{name}.member.{at}"))).collect()
}

fn perform(world: &mut World, operation: &str, form: &Form) -> Result<String, Refused> {
    let names = Names::of(world);
    let list = |name: &str, members: Vec<String>| {
        let members: String = members.iter().map(|member| format!("<member>{member}</member>")).collect();
        format!("<{name}>{members}</{name}>")
    };
    let cloud = world.cloud();
    match operation {
        "DescribeLoadBalancers" => Ok(list(
            "LoadBalancers",
            cloud.balancers.iter().map(|balancer| {
                let zones = cloud.zones.iter().map(|zone| format!("<ZoneName>{zone}</ZoneName>")).collect();
                format!(
                    "<LoadBalancerArn>{}</LoadBalancerArn><DNSName>{}-1234567890.{}.elb.amazonaws.com</DNSName>\
                     <LoadBalancerName>{}</LoadBalancerName><Type>application</Type><State><Code>active</Code></State>{}",
                    names.balancer(balancer),
                    balancer.name,
                    names.0.region,
                    balancer.name,
                    list("AvailabilityZones", zones)
                )
            }).collect(),
        )),
        "DescribeListeners" => {
            let asked = members(form, "ListenerArns");
            let of = form.get("LoadBalancerArn");
            let found: Vec<_> = cloud
                .balancers
                .iter()
                .filter(|one| asked.contains(&names.listener(one).as_str()) || of == Some(&names.balancer(one)))
                .map(|one| {
                    format!(
                        "<ListenerArn>{}</ListenerArn><LoadBalancerArn>{}</LoadBalancerArn><Port>443</Port>\
                         <Protocol>HTTPS</Protocol><DefaultActions>{}</DefaultActions>",
                        names.listener(one),
                        names.balancer(one),
                        actions(&names, one, false)
                    )
                })
                .collect();
            if found.is_empty() && !asked.is_empty() {
                return Err(refused("ListenerNotFound", "One or more listeners not found"));
            }
            Ok(list("Listeners", found))
        }
        "DescribeRules" => {
            let asked = members(form, "RuleArns");
            let of = form.get("ListenerArn");
            let found: Vec<_> = cloud
                .balancers
                .iter()
                .filter(|one| asked.contains(&names.rule(one).as_str()) || of == Some(&names.listener(one)))
                .map(|one| rule(&names, one))
                .collect();
            if found.is_empty() && !asked.is_empty() {
                return Err(refused("RuleNotFound", "One or more rules not found"));
            }
            Ok(list("Rules", found))
        }
        "DescribeTargetGroups" => {
            let of = form.get("LoadBalancerArn");
            let balancers = cloud.balancers.iter().filter(|one| of.is_none_or(|arn| arn == names.balancer(one)));
            let groups = balancers.flat_map(|one| &one.groups).map(|group| {
                format!(
                    "<TargetGroupArn>{}</TargetGroupArn><TargetGroupName>{}</TargetGroupName><Protocol>HTTP</Protocol>\
                     <TargetType>ip</TargetType>",
                    names.group(group),
                    group.name
                )
            });
            Ok(list("TargetGroups", groups.collect()))
        }
        "DescribeTargetHealth" => {
            let asked = form.get("TargetGroupArn").unwrap_or_default();
            let group = cloud.balancers.iter().flat_map(|one| &one.groups).find(|group| names.group(group) == asked);
            let group = group.ok_or_else(|| refused("TargetGroupNotFound", "One or more target groups not found"))?;
            let pods = group.workload.as_ref().map(|path| world.pods_by_zone(path)).unwrap_or_default();
            let targets = pods.iter().map(|(zone, pod)| {
                format!(
                    "<Target><Id>{}</Id><Port>8080</Port><AvailabilityZone>{zone}</AvailabilityZone></Target>\
                     <TargetHealth><State>{}</State></TargetHealth>",
                    pod.name,
                    if pod.ready { "healthy" } else { "unhealthy" }
                )
            });
            Ok(list("TargetHealthDescriptions", targets.collect()))
        }
        "DescribeTags" => {
            let asked = members(form, "ResourceArns");
            let told = asked.iter().map(|arn| format!("<ResourceArn>{}</ResourceArn><Tags></Tags>", escaped(arn)));
            Ok(list("TagDescriptions", told.collect()))
        }
        _ => modify(world, operation == "ModifyRule", form),
    }
}

fn rule(names: &Names, balancer: &Balancer) -> String {
    format!(
        "<RuleArn>{}</RuleArn><Priority>10</Priority><IsDefault>false</IsDefault><Conditions><member>\
         <Field>path-pattern</Field><Values><member>/*</member></Values></member></Conditions><Actions>{}</Actions>",
        names.rule(balancer),
        actions(names, balancer, true)
    )
}

fn actions(names: &Names, balancer: &Balancer, in_rule: bool) -> String {
    let groups: String = balancer
        .groups
        .iter()
        .map(|group| {
            format!(
                "<member><TargetGroupArn>{}</TargetGroupArn><Weight>{}</Weight></member>",
                names.group(group),
                if in_rule { group.in_rule } else { group.in_listener }
            )
        })
        .collect();
    format!(
        "<member><Type>forward</Type><Order>1</Order><ForwardConfig><TargetGroups>{groups}</TargetGroups>\
         <TargetGroupStickinessConfig><Enabled>false</Enabled></TargetGroupStickinessConfig></ForwardConfig></member>"
    )
}

/// `ModifyRule` and `ModifyListener` of one forward action: another list of actions is refused.
fn modify(world: &mut World, of_rule: bool, form: &Form) -> Result<String, Refused> {
    let names = Names::of(world);
    let (id, start) =
        if of_rule { ("RuleArn", "Actions.member.1") } else { ("ListenerArn", "DefaultActions.member.1") };
    let asked = form.get(id).unwrap_or_default();
    let balancer = world
        .cloud_mut()
        .balancers
        .iter_mut()
        .find(|one| asked == if of_rule { names.rule(one) } else { names.listener(one) });
    let balancer = balancer.ok_or_else(|| {
        refused(if of_rule { "RuleNotFound" } else { "ListenerNotFound" }, "One or more of them not found")
    })?;
    if form.get(&format!("{start}.Type")) != Some("forward") {
        return Err(refused("InvalidLoadBalancerAction", "this drill knows one forward action"));
    }
    let mut weights = vec![None; balancer.groups.len()];
    for at in 1..=5 {
        let member = format!("{start}.ForwardConfig.TargetGroups.member.{at}");
        let Some(arn) = form.get(&format!("{member}.TargetGroupArn")) else { break };
        let weight = form.get(&format!("{member}.Weight")).unwrap_or("1").parse().ok();
        let weight = weight.filter(|weight: &u32| *weight <= 999);
        let weight = weight.ok_or_else(|| refused("ValidationError", "Weight must be between 0 and 999"))?;
        let group = balancer.groups.iter().position(|group| names.group(group) == arn);
        let group = group.ok_or_else(|| refused("TargetGroupNotFound", "One or more target groups not found"))?;
        weights[group] = Some(weight);
    }
    if weights.iter().any(Option::is_none) {
        return Err(refused("InvalidLoadBalancerAction", "this drill keeps the target groups that there are"));
    }
    for (group, weight) in balancer.groups.iter_mut().zip(weights.into_iter().flatten()) {
        *(if of_rule { &mut group.in_rule } else { &mut group.in_listener }) = weight;
    }
    let balancer = balancer.clone();
    Ok(if of_rule {
        format!("<Rules><member>{}</member></Rules>", rule(&names, &balancer))
    } else {
        let actions = actions(&names, &balancer, false);
        format!(
            "<Listeners><member><ListenerArn>{asked}</ListenerArn><DefaultActions>{actions}</DefaultActions></member></Listeners>"
        )
    })
}
