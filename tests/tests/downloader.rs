//! The script that downloads the data of a training, run by a real shell with a stand-in for curl that answers as it is told.

use kaito_api::vocabulary::containers;
use kaito_tests::stand::{Stand, said};
use kaito_tests::training_pod;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Says what it was asked, and answers with the next line of `answers`: HTTP status, exit status, content. Without one it is 200 and all is well.
const CURL: &str = r#"#!/bin/sh
for word in "$@"; do url=$word; done
printf '%s\n' "$url" >>"$STORE/asked"
while [ "$1" != -o ]; do shift; done
file=$2
set -f
answer=$(head -n 1 "$STORE/answers" 2>/dev/null)
[ -z "$answer" ] || sed -i 1d "$STORE/answers"
set -- ${answer:-200 0 data}
printf '%s' "${3:-}" >"$file"
printf '%s' "$1"
exit "$2"
"#;

fn stand(name: &str) -> Stand {
    let stand = Stand::new(env!("CARGO_TARGET_TMPDIR"), &format!("downloader-{name}"));
    stand.program("curl", CURL);
    stand.program("sleep", "#!/bin/sh\n");
    std::fs::create_dir(stand.path("data")).unwrap();
    stand
}

fn download(stand: &Stand, addresses: &[&str]) -> Output {
    stand.run(&training_pod::container(containers::DATA_DOWNLOADER, addresses), &[("/mnt/data", "data")])
}

#[test]
fn an_address_with_signs_of_a_shell_is_asked_for_as_it_is_and_nothing_of_it_runs() {
    let addresses = [
        "https://data.example.com/`touch%20RAN`",
        "https://data.example.com/a'b\"c;d&e|f>RAN*?",
        "https://data.example.com/$$",
        "https://data.example.com/%s\\n",
        "https://data.example.com/set[1-3]{a,b}.json?sig=a%2Bb&se=2026",
    ];
    let stand = stand("signs");
    let before = stand.names("");
    let output = download(&stand, &addresses);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(stand.read("asked").lines().collect::<Vec<_>>(), addresses);
    assert_eq!(
        stand.names("data"),
        ["$$", "%s\\n", "RAN`", "a'b\"c;d&e|f>RAN*", "set[1-3]{a,b}.json"]
            .map(|name| name.replace("RAN`", "`touch%20RAN`")),
        "what follows `?` is no part of the name"
    );
    let left = stand.names("").into_iter().filter(|name| !before.contains(name)).collect::<Vec<_>>();
    assert_eq!(left, ["asked"], "nothing else was made");
}

#[test]
fn files_of_one_name_and_of_none_stand_beside_each_other() {
    let stand = stand("names");
    let addresses = ["https://a.example.com/x.json", "https://b.example.com/x.json", "https://c.example.com/sets/"];
    let output = download(&stand, &addresses);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(stand.names("data"), ["2-x.json", "data-3", "x.json"]);
}

#[test]
fn what_stumbles_is_asked_for_again_and_what_was_no_answer_is_not_kept() {
    let stand = stand("again");
    stand.write("answers", "503 0 sorry\n000 6\n200 0 rows\n");
    let output = download(&stand, &["https://data.example.com/x.json"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!((stand.read("data/x.json").as_str(), stand.read("asked").lines().count()), ("rows", 3));
    for (answer, words) in [
        ("404 0 page", "HTTP status 404"),
        ("200 18 half", "curl ended with 18"),
        ("200 0", "HTTP status 200"), // an empty file is none
    ] {
        stand.write("asked", "");
        stand.write("answers", &format!("{answer}\n").repeat(3));
        let output = download(&stand, &["https://data.example.com/y.json?sig=very-secret"]);
        assert_eq!(output.status.code(), Some(1), "{answer}");
        assert_eq!(stand.read("asked").lines().count(), 3, "{answer}");
        let last = stand.read("last-words");
        assert!(last.contains("https://data.example.com/y.json cannot be downloaded"), "{answer}: {last}");
        assert!(last.contains(words), "{answer}: {last}");
        let log = format!("{}{last}{}", said(&output), String::from_utf8_lossy(&output.stdout));
        assert!(!log.contains("very-secret"), "a signature is part of no log: {log}");
        assert_eq!(stand.names("data"), ["x.json"], "{answer}");
    }
}

/// Answers one request, and says what was asked for.
fn serve_once(listener: &TcpListener) -> String {
    let (stream, _) = listener.accept().unwrap();
    let mut lines = BufReader::new(&stream).lines().map(Result::unwrap);
    let asked = lines.next().unwrap();
    lines.find(String::is_empty);
    (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nrows").unwrap();
    asked
}

#[test]
fn an_address_with_brackets_is_one_address_to_curl_itself() {
    let stand = Stand::new(env!("CARGO_TARGET_TMPDIR"), "downloader-brackets");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/sets/{{a,b}}/part[1-2].parquet", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || serve_once(&listener));
    let output = Command::new("sh")
        .args(["-c", include_str!("../../kaito-core/src/manifest/data_downloader.sh")])
        .env("DATA_URLS", address)
        .env("DATA_VOLUME_PATH", stand.path(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(asked.join().unwrap(), "GET /sets/{a,b}/part[1-2].parquet HTTP/1.1");
    assert_eq!(stand.read("part[1-2].parquet"), "rows");
}

/// Answers everybody, and then stops without an end: before the first byte, or in the midst of the data.
fn stall(listener: &TcpListener, answer: &[u8]) {
    let mut held: Vec<TcpStream> = Vec::new();
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        let _ = (&stream).write_all(answer);
        held.push(stream);
    }
}

#[test]
fn a_server_that_stops_sending_is_given_up_and_asked_again_and_then_it_is_said() {
    for (name, answer) in [("silent", &b""[..]), ("half", b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nrows")] {
        let stand = Stand::new(env!("CARGO_TARGET_TMPDIR"), &format!("downloader-stalls-{name}"));
        stand.program("sleep", "#!/bin/sh\n");
        std::fs::create_dir(stand.path("data")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/train.parquet", listener.local_addr().unwrap());
        std::thread::spawn(move || stall(&listener, answer));
        // No Workspace may name an address of its own pod.
        let mut container = training_pod::container(containers::DATA_DOWNLOADER, &["https://data.example.com/x"]);
        let env = container["env"].as_array_mut().unwrap();
        env.retain(|variable| variable["name"] != "DATA_URLS");
        env.push(json!({"name": "DATA_URLS", "value": address}));
        env.push(json!({"name": "STALL_SECONDS", "value": "1"}));
        let begin = Instant::now();
        let output = stand.run(&container, &[("/mnt/data", "data")]);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
        assert!(begin.elapsed() < Duration::from_secs(20), "{name}: {:?}", begin.elapsed());
        assert_eq!(said(&output).matches("curl ended with 28").count(), 4, "{name}: {}", said(&output));
        assert!(stand.read("last-words").contains("train.parquet cannot be downloaded"), "{name}");
        assert!(stand.names("data").is_empty(), "{name}: what is half is not kept");
    }
}

#[test]
fn a_pod_waits_five_minutes_for_the_next_byte_and_half_a_minute_for_a_server() {
    let stand = stand("patience");
    stand.program("curl", &CURL.replace("url=$word; done", "url=$word; done; echo \"$*\" >>\"$STORE/words\""));
    let output = download(&stand, &["https://data.example.com/x.json"]);
    assert!(output.status.success(), "{}", said(&output));
    let words = stand.read("words");
    assert!(words.contains("--connect-timeout 30 --speed-limit 1000 --speed-time 300 "), "{words}");
}
