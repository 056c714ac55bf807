#!/usr/bin/env python3
"""`warroom drill --serve` as stock clients see it: kubectl, boto3 and curl.

    check.py WARROOM [--without TOOL]...

Starts the world's servers once, asks each client the questions that people ask with it, and
prints a line for each check and a last line `serve: N passed, N failed, N skipped`. A tool named by
`--without` is skipped. Talks to loopback alone. Exit code 1 if a check failed.
"""

import argparse
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

# The drill joins the story while alerts fire: what it answers is worth reading.
SERVE = ["drill", "rate-limit-storm", "--serve", "--seed", "1", "--speed", "10", "--join-after", "8m"]
# The one that has an AWS account to act on.
ACCOUNT = ["drill", "zone-outage", "--serve", "--seed", "1", "--speed", "10"]
PATIENCE = 60  # seconds, for anything that is waited for
CHECKS = []


def check(tool):
    def register(act):
        CHECKS.append((tool, act.__name__, act))
        return act

    return register


class World:
    """The running servers, with the settings that they printed."""

    def __init__(self, program, home, arguments=SERVE):
        self.program = program
        self.home = home
        self.env = {"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(
            [program, *arguments], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=self.env, text=True
        )
        self.urls = {}
        try:
            self.read_settings()
        except BaseException:
            self.process.kill()
            raise

    def read_settings(self):
        for line in Lines(self.process.stdout).until("# Ctrl-C"):
            words = line.split()
            if words[:1] == ["export"]:
                self.env.update(word.split("=", 1) for word in words[1:])
            elif words[:1] == ["#"] and len(words) == 3 and words[2].startswith("http"):
                self.urls[words[1]] = words[2]

    def run(self, *command):
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def kubectl(self, *words):
        return self.run("kubectl", f"--cache-dir={self.home}/cache", "-n", "payments", *words)

    def curl(self, system, path, *more):
        flags = ["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "30"]
        return self.run("curl", *flags, *more, self.urls[system] + path)

    def client(self, service):
        import boto3  # Only here: the other checks do without it.

        # Named, because this process has the variables of one world only.
        name = service.replace("-", "_").replace("elbv2", "elastic_load_balancing_v2").replace("route53", "route_53")
        name = name.replace("application_autoscaling", "application_auto_scaling").replace("logs", "cloudwatch_logs")
        return boto3.client(service, endpoint_url=self.env["AWS_ENDPOINT_URL_" + name.upper()])

    def end(self):
        """As a person ends it; nothing is left behind."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=PATIENCE)
        assert code == 0, f"exit code {code}"
        assert not os.path.exists(self.env["KUBECONFIG"]), "the kubeconfig stays behind"


class Lines:
    """What a process prints, line by line, each waited for no longer than the patience."""

    def __init__(self, stream):
        self.queue = queue.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        for line in stream:
            self.queue.put(line.rstrip("\n"))
        self.queue.put(None)

    def until(self, beginning):
        """Lines up to the one that begins so."""
        end = time.monotonic() + PATIENCE
        seen = []
        while not (seen and seen[-1].startswith(beginning)):
            try:
                line = self.queue.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                line = None
            assert line is not None, f"no line came that begins with `{beginning}`; so far: {seen}"
            seen.append(line)
        return seen


def eventually(ask, what):
    """Asks until the answer is true."""
    end = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < end, what
    return answer


@check("curl")
def curl_reads_alertmanager(world):
    alerts = json.loads(world.curl("alertmanager", "/api/v2/alerts?active=true"))
    names = {alert["labels"]["alertname"] for alert in alerts}
    assert "PaymentsNotCaptured" in names, names
    for alert in alerts:
        assert {"annotations", "endsAt", "fingerprint", "receivers", "startsAt", "status", "updatedAt"} <= alert.keys()
        assert alert["status"]["state"] in ("active", "suppressed"), alert
    assert json.loads(world.curl("alertmanager", "/api/v2/status"))["cluster"]["status"]


@check("curl")
def curl_reads_prometheus(world):
    query = 'query=sum by (service) (rate(http_requests_total[1m]))'
    answer = json.loads(world.curl("prometheus", "/api/v1/query", "--get", "--data-urlencode", query))
    assert (answer["status"], answer["data"]["resultType"]) == ("success", "vector"), answer
    values = {one["metric"]["service"]: float(one["value"][1]) for one in answer["data"]["result"]}
    assert values["checkout"] > 1, values
    now = answer["data"]["result"][0]["value"][0]
    span = [f"start={now - 300}", f"end={now}", "step=15"]
    more = [word for part in [query, *span] for word in ("--data-urlencode", part)]
    ranges = json.loads(world.curl("prometheus", "/api/v1/query_range", "--get", *more))["data"]
    assert ranges["resultType"] == "matrix" and len(ranges["result"][0]["values"]) == 21, ranges["resultType"]
    wrong = subprocess.run(
        ["curl", "--silent", "--noproxy", "*", "--write-out", "%{http_code}", world.urls["prometheus"] + "/api/v1/query?query=sum("],
        capture_output=True, text=True, timeout=PATIENCE)
    assert wrong.stdout.endswith("400") and '"errorType":"bad_data"' in wrong.stdout, wrong.stdout


@check("kubectl")
def kubectl_gets(world):
    pods = json.loads(world.kubectl("get", "pods", "-A", "-o", "json"))["items"]
    namespaces = {pod["metadata"]["namespace"] for pod in pods}
    assert {"payments", "shop", "identity", "platform"} <= namespaces, namespaces
    table = world.kubectl("get", "deployments", "-o", "wide")
    assert table.split()[:5] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"], table
    assert "registry.example/payments:2.9.0" in table, table
    assert len(world.kubectl("get", "nodes", "--no-headers").splitlines()) == 5
    assert "payments" in world.kubectl("describe", "deployment", "payments")
    assert "payments" in world.kubectl("rollout", "history", "deployment/payments")
    pod = next(p for p in pods if p["metadata"]["labels"].get("app") == "payments" or "payments-" in p["metadata"]["name"])
    assert world.kubectl("logs", pod["metadata"]["name"], "--tail=5").strip(), "no log lines"


@check("kubectl")
def kubectl_tops(world):
    pods = world.kubectl("top", "pods", "--no-headers").splitlines()
    assert len(pods) >= 6 and all(line.split()[1].endswith("m") for line in pods), pods
    nodes = world.kubectl("top", "nodes", "--no-headers").splitlines()
    assert len(nodes) == 5 and all("%" in line for line in nodes), nodes


@check("kubectl")
def kubectl_watches_and_scales(world):
    watching = ["kubectl", f"--cache-dir={world.home}/cache", "-n", "payments", "get", "deployment", "payments"]
    watch = subprocess.Popen(
        [*watching, "--watch", "--output-watch-events", "--no-headers"], env=world.env, text=True, stdout=subprocess.PIPE
    )
    try:
        lines = Lines(watch.stdout)
        lines.until("ADDED")
        said = world.kubectl("scale", "deployment/payments", "--current-replicas=6", "--replicas=12")
        assert "scaled" in said, said
        seen = []
        while "12/12" not in " ".join(seen[-1:]):
            seen += lines.until("MODIFIED")
        assert any("/12" in line for line in seen), seen
    finally:
        watch.kill()
        watch.wait()
    world.kubectl("rollout", "status", "deployment/payments", f"--timeout={PATIENCE}s")
    refused = subprocess.run(
        ["kubectl", f"--cache-dir={world.home}/cache", "-n", "payments", "scale", "deployment/payments",
         "--current-replicas=6", "--replicas=1"], env=world.env, capture_output=True, text=True, timeout=PATIENCE,
    )
    assert refused.returncode != 0, "the precondition does not hold any more"


@check("boto3")
def boto3_reads_alarms_by_pages(world):
    cloudwatch = world.client("cloudwatch")
    pages = list(cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmTypes=["MetricAlarm", "CompositeAlarm"], PaginationConfig={"PageSize": 2}))
    assert len(pages) >= 2, "more than one page"
    metric = [alarm for page in pages for alarm in page["MetricAlarms"]]
    composite = [alarm for page in pages for alarm in page["CompositeAlarms"]]
    assert {alarm["AlarmName"] for alarm in metric} >= {"checkout-failures", "partner-throttled", "login-failures"}
    assert [alarm["AlarmName"] for alarm in composite] == ["checkout-impaired"]
    firing = eventually(
        lambda: cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"], "no alarm goes off in this story")
    assert all(alarm["StateUpdatedTimestamp"].tzinfo and alarm["StateReason"] for alarm in firing), firing
    assert cloudwatch.describe_alarms(AlarmNamePrefix="login")["MetricAlarms"][0]["AlarmName"] == "login-failures"


@check("boto3")
def boto3_reads_the_history_of_alarms_by_pages(world):
    cloudwatch = world.client("cloudwatch")
    ask = cloudwatch.get_paginator("describe_alarm_history").paginate(
        HistoryItemType="StateUpdate", PaginationConfig={"PageSize": 2})
    pages = eventually(lambda: [page["AlarmHistoryItems"] for page in ask], "no page")
    items = [item for page in pages for item in page]
    assert len(pages) >= 2 and len(items) > 2, pages
    assert {item["HistoryItemType"] for item in items} == {"StateUpdate"}
    assert any(json.loads(item["HistoryData"])["newState"]["stateValue"] == "ALARM" for item in items)


@check("boto3")
def boto3_reads_logs_by_pages(world):
    logs = world.client("logs")
    pages = list(logs.get_paginator("filter_log_events").paginate(
        logGroupName="/prod/payments", PaginationConfig={"PageSize": 100, "MaxItems": 250}))
    events = [event for page in pages for event in page["events"]]
    assert len(events) == 250 and len({event["eventId"] for event in events}) == 250, len(events)
    assert all(event["message"] and event["logStreamName"] for event in events)
    errors = logs.filter_log_events(logGroupName="/prod/payments", filterPattern='"429"', limit=5)["events"]
    assert errors and all("429" in event["message"] for event in errors), errors
    try:
        logs.filter_log_events(logGroupName="/prod/none")
        raise AssertionError("a group that is not there was read")
    except logs.exceptions.ResourceNotFoundException:
        pass


@check("boto3")
def boto3_is_told_who_it_is(world):
    assert world.client("sts").get_caller_identity()["Account"] == "111122223333"


@check("boto3")
def boto3_changes_the_account(world):
    home = os.path.join(world.home, "account")
    os.mkdir(home)
    account = World(world.program, home, ACCOUNT)
    try:
        ecs_scales_and_rolls_back(account)
        weights_move(account)
        records_move(account)
        a_zone_is_left(account)
    finally:
        account.end()


def ecs_scales_and_rolls_back(world):
    ecs = world.client("ecs")
    one = {"cluster": "prod", "service": "invoices"}
    read = lambda: ecs.describe_services(cluster="prod", services=["invoices"], include=["TAGS"])["services"][0]
    assert (read()["desiredCount"], read()["runningCount"], read()["status"]) == (3, 3, "ACTIVE"), read()
    ecs.update_service(**one, desiredCount=5)
    eventually(lambda: read()["runningCount"] == 5, "five tasks do not come")
    scaling = world.client("application-autoscaling")
    which = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
    scaling.register_scalable_target(**which, ResourceId="service/prod/invoices", MaxCapacity=4)
    assert scaling.describe_scalable_targets(**which)["ScalableTargets"][0]["MaxCapacity"] == 4
    assert read()["desiredCount"] == 4, "the limits clamp at once"
    images = ecs.describe_task_definition(taskDefinition="invoices:1")["taskDefinition"]["containerDefinitions"]
    assert images[0]["image"] == "registry.example/invoices:1.7.2", images
    ecs.update_service(**one, taskDefinition="invoices:1")
    newest = ecs.list_service_deployments(**one)["serviceDeployments"][0]
    assert newest["status"] in ("PENDING", "IN_PROGRESS"), newest
    ecs.stop_service_deployment(serviceDeploymentArn=newest["serviceDeploymentArn"], stopType="ROLLBACK")
    full = lambda: ecs.describe_service_deployments(
        serviceDeploymentArns=[newest["serviceDeploymentArn"]])["serviceDeployments"][0]
    eventually(lambda: full()["status"] == "ROLLBACK_SUCCESSFUL", "it is not rolled back")
    source = ecs.describe_service_revisions(serviceRevisionArns=[full()["sourceServiceRevisions"][0]["arn"]])
    assert source["serviceRevisions"][0]["taskDefinition"].endswith("invoices:2") and read()["taskDefinition"].endswith(":2")


def weights_move(world):
    elb = world.client("elbv2")
    balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    listener = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]
    rule = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"][0]
    groups = elb.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]
    states = [elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"] for group in groups]
    assert [len(targets) for targets in states] == [6, 3], states
    assert {target["Target"]["AvailabilityZone"] for target in states[0]} == {f"eu-central-1{zone}" for zone in "abc"}
    actions = rule["Actions"]
    for group, weight in zip(actions[0]["ForwardConfig"]["TargetGroups"], (70, 30)):
        group["Weight"] = weight
    elb.modify_rule(RuleArn=rule["RuleArn"], Actions=actions)
    read = lambda actions: [group["Weight"] for group in actions[0]["ForwardConfig"]["TargetGroups"]]
    assert read(elb.describe_rules(RuleArns=[rule["RuleArn"]])["Rules"][0]["Actions"]) == [70, 30]
    again = elb.describe_listeners(ListenerArns=[listener["ListenerArn"]])["Listeners"][0]
    assert read(again["DefaultActions"]) == [100, 0], "the listener's own are another list"
    try:
        elb.describe_rules(RuleArns=[rule["RuleArn"] + "x"])
        raise AssertionError("a rule that is not there was read")
    except elb.exceptions.RuleNotFoundException:
        pass


def records_move(world):
    dns = world.client("route53")
    zone = "Z0123456789DRILLSHOP"
    read = lambda: dns.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    before = read()
    assert [(one["SetIdentifier"], one["Weight"]) for one in before] == [("eu-central-1", 100), ("eu-west-1", 0)], before
    batch = lambda old, weight: {"Changes": [
        {"Action": "DELETE", "ResourceRecordSet": old},
        {"Action": "CREATE", "ResourceRecordSet": {**old, "Weight": weight}}]}
    try:
        dns.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch({**before[0], "Weight": 99}, 50))
        raise AssertionError("a record was deleted that is not so")
    except dns.exceptions.InvalidChangeBatch:
        assert read() == before, "all or nothing"
    change = dns.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch(before[0], 50))["ChangeInfo"]
    assert change["Status"] == "PENDING" and read()[0]["Weight"] == 50, change
    eventually(lambda: dns.get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "INSYNC", "it does not spread")


def a_zone_is_left(world):
    shift, balancer = world.client("arc-zonal-shift"), world.client("elbv2").describe_load_balancers()["LoadBalancers"][0]
    arn = balancer["LoadBalancerArn"]
    zones = world.client("ec2").describe_availability_zones()["AvailabilityZones"]
    ids = {zone["ZoneName"]: zone["ZoneId"] for zone in zones}
    weights = lambda: shift.get_managed_resource(resourceIdentifier=arn)["appliedWeights"]
    assert weights() == {zone: 1.0 for zone in ids.values()}, weights()
    away = {"resourceIdentifier": arn, "awayFrom": ids["eu-central-1b"], "expiresIn": "30m", "comment": "trying"}
    started = shift.start_zonal_shift(**away)
    assert started["status"] == "ACTIVE" and weights()[ids["eu-central-1b"]] == 0.0, weights()
    try:
        shift.start_zonal_shift(**away)
        raise AssertionError("two shifts at once")
    except shift.exceptions.ConflictException:
        pass
    assert shift.cancel_zonal_shift(zonalShiftId=started["zonalShiftId"])["status"] == "CANCELED"
    assert weights()[ids["eu-central-1b"]] == 1.0


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("warroom")
    arguments.add_argument("--without", action="append", default=[])
    arguments = arguments.parse_args()
    counts = {"passed": 0, "failed": 0, "skipped": 0}

    def told(how, name, why=""):
        counts[how] += 1
        print(f"{how:<8} {name}{': ' if why else ''}{why}", flush=True)

    home = tempfile.mkdtemp(prefix="warroom-serve-")
    try:
        world = World(os.path.abspath(arguments.warroom), home)
        # boto3 runs in this process.
        os.environ.update({key: value for key, value in world.env.items() if key.startswith("AWS_")}, HOME=home)
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
        try:
            for tool, name, act in CHECKS:
                if tool in arguments.without:
                    told("skipped", name, f"there is no {tool} here")
                    continue
                try:
                    act(world)
                    told("passed", name)
                except Exception:
                    told("failed", name, traceback.format_exc())
        finally:
            try:
                world.end()
                told("passed", "the_drill_ends_and_leaves_nothing_behind")
            except Exception:
                told("failed", "the_drill_ends_and_leaves_nothing_behind", traceback.format_exc())
                world.process.kill()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print("serve: " + ", ".join(f"{count} {how}" for how, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
