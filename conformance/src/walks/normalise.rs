//! Takes out of a command's output what differs from run to run on one and the same server.

use std::sync::LazyLock;

use regex::Regex;

/// What is replaced by what, in this order.
const RULES: &[(&str, &str)] = &[
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| ?[+-]\d\d:?\d\d( [A-Z]+)?)?", "<time>"),
    (r"[A-Z][a-z]{2},? +(\d+ [A-Z][a-z]{2}|[A-Z][a-z]{2} +\d+) (\d{4} )?\d\d:\d\d:\d\d( [+-]\d{4}| \d{4})?", "<time>"),
    (r#"(resourceVersion"?: ?"?)\d+"#, "$1<version>"),
    (r"(Resource Version:\s+)\d+", "$1<version>"),
    (r"\b10\.96\.\d+\.\d+", "<address>"),
    (r"\b\d+\.\d+\.\d+\.\d+:\d{4,5}\b", "<endpoint>"),
    (r"(localhost|\[::1\]):\d{4,5}", "<endpoint>"),
    (r#"(nodePort"?: ?)\d{5}"#, "${1}<port>"),
    (r"\b3[0-2]\d{3}/(TCP|UDP)", "<port>/$1"),
    (r"(HealthCheck NodePort:\s+)\d+", "$1<port>"),
    // The service of the API server leads to the port that it got.
    (r"(TargetPort:\s+)\d{5}/", "$1<port>/"),
    (r"/tmp/[^\s:,]+", "<path>"),
    (r"kube-api-access-[a-z0-9]{5}", "kube-api-access-<suffix>"),
    (r"X509SHA256=[0-9a-f]{64}", "X509SHA256=<fingerprint>"),
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<token>"),
    (r"^[EWI]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.]+:\d+\] ", "<log> "),
    // Ages, in columns and in words; the width of a column goes with them.
    (r"(^|\s)(\d+[smhdy]){1,2}( ago)?(\s|$)", "$1<age>$3$4"),
    (r"(\S)  +(\S)", "$1  $2"),
    (r"\s+$", ""),
];

static COMPILED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let compile =
        |(pattern, by): &(&str, &'static str)| (Regex::new(pattern).expect("the rules are compiled by a test"), *by);
    RULES.iter().map(compile).collect()
});

/// A certificate that one vendor's build of kube-apiserver puts into every pod, as YAML and in words.
static VENDOR: LazyLock<Regex> = LazyLock::new(|| {
    let yaml = r" +- configMap:\n +items:\n +- key: service-ca\.crt\n +path: service-ca\.crt\n +name: openshift-service-ca\.crt\n";
    let words = r" +ConfigMapName: +openshift-service-ca\.crt\n +(ConfigMapOptional|Optional): .*\n";
    Regex::new(&format!("{yaml}|{words}")).expect("a test compiles it")
});

/// As many lines of one output are kept; of a longer one the beginning, and a digest of all.
const KEPT: usize = 150;

/// The exit code and both outputs as comparable lines.
pub fn lines(code: i32, stdout: &str, stderr: &str) -> Vec<String> {
    let mut lines = vec![format!("exit {code}")];
    let stdout = VENDOR.replace_all(stdout, "");
    lines.extend(shortened(stdout.lines().map(line).collect()));
    lines.extend(
        shortened(stderr.lines().filter(|line| !is_chance(line)).map(line).collect())
            .iter()
            .map(|text| format!("! {text}").trim_end().to_owned()),
    );
    lines
}

/// Of the client's own pace, not of what the server answered.
fn is_chance(line: &str) -> bool {
    ["client-side throttling", "Waited for", "CancelRequest not implemented"].iter().any(|chance| line.contains(chance))
}

fn line(text: &str) -> String {
    COMPILED.iter().fold(text.to_owned(), |text, (pattern, by)| pattern.replace_all(&text, *by).into_owned())
}

fn shortened(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > KEPT {
        // FNV-1a: the same everywhere and for ever.
        let digest = lines
            .iter()
            .flat_map(|line| line.bytes().chain([b'\n']))
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let count = lines.len();
        lines.truncate(20);
        lines.push(format!("... {count} lines, digest {digest:016x}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_taken_out() {
        let table = "web    ClusterIP   10.96.3.4   <none>   80:31234/TCP   12s";
        assert_eq!(line(table), "web  ClusterIP  <address>  <none>  80:<port>/TCP  <age>");
        assert_eq!(line("  resourceVersion: \"12\""), "  resourceVersion: \"<version>\"");
        assert_eq!(line("  time: \"2026-01-02T03:04:05Z\""), "  time: \"<time>\"");
        assert_eq!(line("LAST DEPLOYED: Sat Nov 21 12:12:12 2026"), "LAST DEPLOYED: <time>");
        assert_eq!(line("CreationTimestamp:  Sat, 21 Nov 2026 12:12:12 +0000"), "CreationTimestamp:  <time>");
        assert_eq!(line("E1121 12:17:31.771732    6952 memcache.go:12] no"), "<log> no");
    }

    #[test]
    fn what_a_vendor_adds_is_taken_out() {
        let yaml = "      - configMap:\n          items:\n          - key: service-ca.crt\n            path: service-ca.crt\n          \
                    name: openshift-service-ca.crt\nstatus:\n";
        assert_eq!(lines(0, yaml, ""), ["exit 0", "status:"]);
        let words = "    ConfigMapName:           openshift-service-ca.crt\n    Optional:                false\n";
        assert_eq!(lines(0, words, ""), ["exit 0"]);
    }

    #[test]
    fn long_output_is_kept_as_a_digest() {
        let text = |end: &str| (0..500).map(|n| format!("{n}\n")).collect::<String>() + end;
        let one = lines(0, &text("a"), "");
        assert_eq!(one.len(), 22);
        assert_ne!(one, lines(0, &text("b"), ""));
    }
}
