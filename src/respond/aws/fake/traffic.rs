//! A rule and a listener with two target groups, two weighted records, and a load balancer that
//! zonal shift manages.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::respond::aws::xml::Element;

const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:";

pub(in crate::respond) const RULE: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:111122223333:listener-rule/app/shop/50dc6c/f2f7dc/9683b2";
pub(in crate::respond) const LISTENER: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:111122223333:listener/app/shop/50dc6c/f2f7dc";
pub(in crate::respond) const BALANCER: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/shop/50dc6c";

/// The ARN of a target group.
pub(in crate::respond) fn group(name: &str) -> String {
    format!("{ARN}targetgroup/{name}/73e2d6")
}

/// What divides traffic.
pub(in crate::respond) struct Traffic {
    /// Weights of the target groups `blue` and `green`, of the rule and of the listener.
    pub(in crate::respond) groups: [u32; 2],
    /// What stands in the action list before the forward action, as XML.
    pub(in crate::respond) before: &'static str,
    /// Healthy targets of `blue` and `green`, of three each.
    pub(in crate::respond) healthy: [usize; 2],
    pub(in crate::respond) tags: Vec<(&'static str, &'static str)>,
    /// Weights of the records `a` and `b`.
    pub(in crate::respond) records: [u32; 2],
    /// What the records lead to.
    pub(in crate::respond) values: [&'static str; 2],
    /// Whether their health checks pass, if they have any.
    pub(in crate::respond) passing: [Option<bool>; 2],
    /// TXT records: name and value, as XML.
    pub(in crate::respond) notes: Vec<(&'static str, &'static str)>,
    /// How often a change is told to be pending yet.
    pub(in crate::respond) pending: u32,
    /// Shifts: id, zone, comment.
    pub(in crate::respond) shifts: Vec<(String, String, String)>,
    /// How often the shift is told not to be applied yet.
    pub(in crate::respond) applying: u32,
    /// Zones of the targets of `blue` and of `green`, as they are told.
    pub(in crate::respond) zones: [Vec<&'static str>; 2],
    /// Whether `green` has the targets of `blue` and no others.
    pub(in crate::respond) same: bool,
    /// What the records are aliases of, if they are.
    pub(in crate::respond) aliases: [Option<&'static str>; 2],
    /// What zonal shift says instead of what it knows, if so: a code and words.
    pub(in crate::respond) unknown: Option<(u16, &'static str)>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            groups: [1, 0],
            before: "",
            healthy: [3, 3],
            tags: Vec::new(),
            records: [10, 0],
            values: ["192.0.2.1", "192.0.2.2"],
            passing: [None, None],
            notes: Vec::new(),
            pending: 2,
            shifts: Vec::new(),
            applying: 1,
            zones: std::array::from_fn(|_| vec!["eu-central-1a", "eu-central-1b", "eu-central-1c"]),
            same: false,
            aliases: [None, None],
            unknown: None,
        }
    }
}

fn parameters(body: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            if *first == b'%' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap());
                rest = &rest[2..];
            } else {
                bytes.push(*first);
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// A refusal: status, code and words.
type Refused = (u16, &'static str, &'static str);

impl Traffic {
    fn actions(&self) -> String {
        let members: String = ["blue", "green"]
            .iter()
            .zip(self.groups)
            .map(|(name, weight)| {
                format!("<member><TargetGroupArn>{}</TargetGroupArn><Weight>{weight}</Weight></member>", group(name))
            })
            .collect();
        format!(
            "{}<member><Type>forward</Type><Order>2</Order><ForwardConfig><TargetGroups>{members}</TargetGroups>\
             <TargetGroupStickinessConfig><Enabled>true</Enabled><DurationSeconds>600</DurationSeconds>\
             </TargetGroupStickinessConfig></ForwardConfig></member>",
            self.before
        )
    }

    /// The query protocols.
    pub(super) fn query(&mut self, operation: &str, body: &str) -> Result<String, Refused> {
        let given = parameters(body);
        let inner = match operation {
            "DescribeRules" if given.get("RuleArns.member.1").is_none_or(|arn| arn == RULE) => format!(
                "<Rules><member><RuleArn>{RULE}</RuleArn><IsDefault>false</IsDefault><Actions>{}</Actions></member></Rules>",
                self.actions()
            ),
            "DescribeRules" => return Err((400, "RuleNotFound", "One or more rules not found")),
            "DescribeListeners" => format!(
                "<Listeners><member><ListenerArn>{LISTENER}</ListenerArn><DefaultActions>{}</DefaultActions></member></Listeners>",
                self.actions()
            ),
            "DescribeTags" => {
                let tags: String = self
                    .tags
                    .iter()
                    .map(|(key, value)| format!("<member><Key>{key}</Key><Value>{value}</Value></member>"))
                    .collect();
                assert_eq!(given["ResourceArns.member.2"], BALANCER);
                format!("<TagDescriptions><member><Tags>{tags}</Tags></member></TagDescriptions>")
            }
            // One to a page.
            "DescribeLoadBalancers" if !given.contains_key("Marker") => format!(
                "<LoadBalancers><member><LoadBalancerArn>{ARN}loadbalancer/app/other/1</LoadBalancerArn>\
                 <DNSName>other-1.eu-central-1.elb.amazonaws.com</DNSName></member></LoadBalancers>\
                 <NextMarker>2</NextMarker>"
            ),
            "DescribeLoadBalancers" => format!(
                "<LoadBalancers><member><LoadBalancerArn>{BALANCER}</LoadBalancerArn>\
                 <LoadBalancerName>shop</LoadBalancerName><DNSName>Shop-12.eu-central-1.elb.amazonaws.com</DNSName>\
                 </member></LoadBalancers>"
            ),
            "DescribeTargetHealth" => {
                let at = usize::from(given["TargetGroupArn"] == group("green"));
                let targets: String = (0..3)
                    .map(|n| {
                        let state = if n < self.healthy[at] { "healthy" } else { "unhealthy" };
                        let zone = self.zones[at].get(n).copied().unwrap_or("all");
                        let id = if self.same { n } else { n + 3 * at };
                        format!(
                            "<member><Target><Id>i-{id}</Id><AvailabilityZone>{zone}</AvailabilityZone></Target>\
                             <TargetHealth><State>{state}</State></TargetHealth></member>"
                        )
                    })
                    .collect();
                format!("<TargetHealthDescriptions>{targets}</TargetHealthDescriptions>")
            }
            "ModifyRule" | "ModifyListener" => {
                let list = if operation == "ModifyRule" { "Actions" } else { "DefaultActions" };
                let forward = 1 + usize::from(!self.before.is_empty());
                let start = format!("{list}.member.{forward}");
                assert_eq!(given[&format!("{start}.Type")], "forward");
                // What is not sent is lost.
                let sticky = format!("{start}.ForwardConfig.TargetGroupStickinessConfig.DurationSeconds");
                assert_eq!(given[&sticky], "600");
                if !self.before.is_empty() {
                    assert_eq!(given[&format!("{list}.member.1.Type")], "authenticate-oidc");
                    assert_eq!(
                        given[&format!("{list}.member.1.AuthenticateOidcConfig.UseExistingClientSecret")],
                        "true"
                    );
                    assert_eq!(given[&format!("{list}.member.1.AuthenticateOidcConfig.Scope")], "a & b");
                }
                for (at, name) in ["blue", "green"].iter().enumerate() {
                    let member = format!("{start}.ForwardConfig.TargetGroups.member.{}", at + 1);
                    assert_eq!(given[&format!("{member}.TargetGroupArn")], group(name));
                    self.groups[at] = given[&format!("{member}.Weight")].parse().unwrap();
                }
                String::new()
            }
            "DescribeAvailabilityZones" => {
                let zones: String = ["a", "b", "c"]
                    .iter()
                    .zip(["euc1-az2", "euc1-az3", "euc1-az1"])
                    .map(|(name, id)| {
                        format!("<item><zoneName>eu-central-1{name}</zoneName><zoneId>{id}</zoneId></item>")
                    })
                    .collect();
                return Ok(format!(
                    "<DescribeAvailabilityZonesResponse><availabilityZoneInfo>{zones}</availabilityZoneInfo>\
                     </DescribeAvailabilityZonesResponse>"
                ));
            }
            _ => return Err((400, "InvalidAction", "no such operation")),
        };
        Ok(format!("<{operation}Response><{operation}Result>{inner}</{operation}Result></{operation}Response>"))
    }

    fn record(&self, at: usize) -> String {
        format!(
            "<ResourceRecordSet><Name>api.example.com.</Name><Type>A</Type><SetIdentifier>{}</SetIdentifier>\
             <Weight>{}</Weight>{}{}</ResourceRecordSet>",
            ["a", "b"][at],
            self.records[at],
            match self.aliases[at] {
                Some(name) => format!(
                    "<AliasTarget><HostedZoneId>Z1</HostedZoneId><DNSName>{name}</DNSName>\
                     <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>"
                ),
                None => format!(
                    "<TTL>30</TTL><ResourceRecords><ResourceRecord><Value>{}</Value></ResourceRecord></ResourceRecords>",
                    self.values[at]
                ),
            },
            self.passing[at].map_or(String::new(), |_| format!("<HealthCheckId>check-{at}</HealthCheckId>"))
        )
    }

    /// Route 53.
    pub(super) fn dns(&mut self, operation: &str, path: &str, body: &str) -> Result<String, Refused> {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        match operation {
            "ListResourceRecordSets" => Ok(format!(
                "{head}<ListResourceRecordSetsResponse><ResourceRecordSets>{}{}{}<ResourceRecordSet>\
                 <Name>other.example.com.</Name><Type>A</Type><TTL>5</TTL></ResourceRecordSet></ResourceRecordSets>\
                 </ListResourceRecordSetsResponse>",
                self.record(0),
                self.record(1),
                self.notes
                    .iter()
                    .map(|(name, value)| {
                        format!(
                            "<ResourceRecordSet><Name>{name}</Name><Type>TXT</Type><TTL>300</TTL><ResourceRecords>\
                             <ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords>\
                             </ResourceRecordSet>"
                        )
                    })
                    .collect::<String>()
            )),
            "GetHealthCheckStatus" => {
                let passes = self.passing[usize::from(path.contains("/check-1/"))].unwrap_or(false);
                let status = if passes { "Success: HTTP Status Code 200, OK" } else { "Failure: HTTP Status Code 503" };
                Ok(format!(
                    "{head}<GetHealthCheckStatusResponse><HealthCheckObservations><HealthCheckObservation>\
                     <StatusReport><Status>{status}</Status></StatusReport></HealthCheckObservation>\
                     </HealthCheckObservations></GetHealthCheckStatusResponse>"
                ))
            }
            "GetChange" => {
                let status = if self.pending > 0 { "PENDING" } else { "INSYNC" };
                self.pending = self.pending.saturating_sub(1);
                Ok(format!(
                    "{head}<GetChangeResponse><ChangeInfo><Id>/change/C1</Id><Status>{status}</Status></ChangeInfo></GetChangeResponse>"
                ))
            }
            _ => {
                let batch = Element::parse(body.as_bytes()).unwrap();
                let mut now = self.records;
                for change in batch.list("ChangeBatch/Changes") {
                    let set = change.at("ResourceRecordSet").unwrap();
                    let at = usize::from(set.text("SetIdentifier") == "b");
                    match change.text("Action") {
                        "DELETE" => {
                            let here = Element::parse(self.record(at).as_bytes()).unwrap();
                            if *set != here {
                                let why = "but the values provided do not match the current values";
                                return Err((400, "InvalidChangeBatch", why));
                            }
                        }
                        "CREATE" => now[at] = set.text("Weight").parse().unwrap(),
                        other => panic!("{other} was not agreed on"),
                    }
                }
                self.records = now;
                Ok(format!(
                    "{head}<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>\
                     </ChangeInfo></ChangeResourceRecordSetsResponse>"
                ))
            }
        }
    }

    /// ARC zonal shift.
    pub(super) fn shift(&mut self, operation: &str, path: &str, body: &str) -> Result<Value, Refused> {
        match operation {
            "GetManagedResource" => {
                if let Some((status, code)) = self.unknown {
                    return Err((status, code, "not this one"));
                }
                let applied = self.applying == 0;
                self.applying = self.applying.saturating_sub(1);
                let weight = |zone: &str| {
                    let away = applied && self.shifts.iter().any(|(_, away, _)| away == zone);
                    json!(if away { 0.0 } else { 1.0 })
                };
                let shifts: Vec<_> = self
                    .shifts
                    .iter()
                    .map(|(id, zone, comment)| {
                        json!({ "zonalShiftId": id, "awayFrom": zone, "comment": comment, "expiryTime": 1_795_003_600.0 })
                    })
                    .collect();
                let weights: serde_json::Map<_, _> = ["euc1-az1", "euc1-az2", "euc1-az3"]
                    .iter()
                    .map(|zone| ((*zone).to_owned(), weight(zone)))
                    .collect();
                Ok(json!({ "arn": BALANCER, "appliedWeights": weights, "zonalShifts": shifts }))
            }
            "StartZonalShift" => {
                if !self.shifts.is_empty() {
                    return Err((409, "ConflictException", "There's already an active zonal shift."));
                }
                let input: Value = serde_json::from_str(body).unwrap();
                assert_eq!((&input["resourceIdentifier"], &input["expiresIn"]), (&json!(BALANCER), &json!("60m")));
                let field = |name: &str| input[name].as_str().unwrap().to_owned();
                self.shifts.push(("s1".into(), field("awayFrom"), field("comment")));
                self.applying = 1;
                Ok(json!({ "zonalShiftId": "s1", "status": "ACTIVE" }))
            }
            _ => {
                let id = path.rsplit('/').next().unwrap();
                if !self.shifts.iter().any(|(known, ..)| known == id) {
                    return Err((404, "ResourceNotFoundException", "no such shift"));
                }
                self.shifts.clear();
                Ok(json!({ "zonalShiftId": id, "status": "CANCELED" }))
            }
        }
    }
}
