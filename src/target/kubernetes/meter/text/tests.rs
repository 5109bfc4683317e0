//! Expositions of real apps, and what is made of them.

use super::*;

/// podinfo 2.0.0 after 29 probes of /readyz, a scrape, 120 requests of /, 10 of /api/info, 10 that it answered with 503, and 3 that
/// took a second.
const PODINFO: &str = include_str!("podinfo.txt");
/// The sample app 2.0.0-failing after 123 requests, 3 of which took 0.7 s.
const SAMPLE: &str = include_str!("sample.txt");
/// The sample app before its first visitor.
const UNVISITED: &str = "# TYPE http_requests_total counter
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{version=\"1\",le=\"0.5\"} 0
http_request_duration_seconds_bucket{version=\"1\",le=\"+Inf\"} 0
http_request_duration_seconds_count{version=\"1\"} 0
";
const OPENTELEMETRY: &str = r#"
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/a/{id}",le="0.25"} 8
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/a/{id}",le="+Inf"} 9
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/a/{id}"} 9
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="502",http_route="/a/{id}",le="0.5"} 2
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="502",http_route="/a/{id}",le="+Inf"} 3
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="502",http_route="/a/{id}"} 3
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/healthz/live"} 70
"#;
const MICROMETER: &str = r#"
http_server_requests_seconds_count{exception="None",method="GET",outcome="SUCCESS",status="200",uri="/orders/{id}",} 40.0
http_server_requests_seconds_sum{exception="None",method="GET",outcome="SUCCESS",status="200",uri="/orders/{id}",} 2.5
http_server_requests_seconds_count{exception="Oops",method="GET",outcome="SERVER_ERROR",status="500",uri="/orders/{id}",} 2.0
http_server_requests_seconds_count{exception="None",method="GET",outcome="SUCCESS",status="200",uri="/actuator/prometheus",} 9.0
"#;

fn aside() -> Vec<String> {
    ["/metrics", "/readyz", "/healthz/live?full=1", "/actuator/prometheus"].map(str::to_owned).to_vec()
}

fn ms(n: u64) -> Option<Duration> {
    Some(Duration::from_millis(n))
}

fn counts(text: &str, bound: Option<Duration>) -> (u64, u64, u64) {
    let Counts { requests, errors, slow } = read(text, bound, &aside()).unwrap().counts;
    (requests, errors, slow)
}

#[test]
fn podinfo_tells_probes_and_scrapes_apart_only_in_its_histogram() {
    assert_eq!(read(PODINFO, None, &aside()).unwrap().family, "http_request_duration_seconds");
    assert_eq!(counts(PODINFO, ms(500)), (143, 10, 3));
    let all = read(PODINFO, None, &[]).unwrap().counts;
    assert_eq!((all.requests, all.errors), (143 + 29 + 1, 10));
}

#[test]
fn the_sample_app_tells_statuses_only_in_its_counter() {
    assert_eq!(read(SAMPLE, None, &aside()).unwrap().family, "http_requests_total");
    assert_eq!(counts(SAMPLE, ms(500)), (123, 6, 3));
    assert_eq!(counts(SAMPLE, None), (123, 6, 0));
    assert_eq!(counts(UNVISITED, ms(500)), (0, 0, 0));
}

#[test]
fn a_latency_bound_is_taken_at_the_next_lower_bucket_or_else_at_the_lowest() {
    // Three requests took a little over a second: the buckets are 1 s and 2.5 s.
    assert_eq!(counts(PODINFO, ms(1000)).2, 3);
    assert_eq!(counts(PODINFO, ms(2000)).2, 3);
    assert_eq!(counts(PODINFO, ms(2500)).2, 0);
    assert_eq!(counts(PODINFO, ms(1)).2, 3);
    // In each series of its own buckets.
    assert_eq!(counts(OPENTELEMETRY, ms(300)).2, 1 + 1);
}

#[test]
fn opentelemetry_and_micrometer_are_known() {
    assert_eq!(counts(OPENTELEMETRY, None), (12, 3, 0));
    assert_eq!(counts(MICROMETER, None), (42, 2, 0));
    let old = OPENTELEMETRY
        .replace("http_server_request_duration_seconds", "http_server_duration_milliseconds")
        .replace("http_response_status_code", "http_status_code")
        .replace("le=\"0.25\"", "le=\"250\"")
        .replace("le=\"0.5\"", "le=\"500\"");
    assert_eq!(counts(&old, ms(300)), (12, 3, 2));
    assert_eq!(counts(&old, ms(250)), (12, 3, 2));
}

#[test]
fn a_probe_of_the_root_takes_no_visitor_away() {
    let text = "http_requests_total{code=\"200\",path=\"/\"} 5\n";
    assert_eq!(read(text, None, &["/".to_owned()]).unwrap().counts.requests, 5);
}

#[test]
fn what_cannot_be_told_is_said_and_never_counted_as_good() {
    assert_eq!(read("", None, &[]), Err(Unreadable::Requests));
    assert_eq!(read("go_goroutines 9\nhttp_requests_total_by_me 3\n", None, &[]), Err(Unreadable::Requests));
    assert_eq!(read("http_requests_total{path=\"/\"} 5\n", None, &[]), Err(Unreadable::Status));
    assert_eq!(read(MICROMETER, ms(500), &aside()), Err(Unreadable::Latency));
    assert_eq!(read("http_requests_total{code=\"200\"} NaN\n", None, &[]), Err(Unreadable::Requests));
}
