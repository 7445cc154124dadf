//! The table: what each client needs, and its traps. Every line is a measured fact unless `not_run` says otherwise. docs/clients.md has the versions.
//!
//! In texts `{gateway}`, `{authority}`, `{project}`, `{credentials}` and `{domain}` stand for what was given; exports are quoted for the shell.

/// One client, by the name that `--for` has.
pub struct Client {
    pub name: &'static str,
    /// Led to the gateway by its address: REST alone, whatever else the client speaks.
    pub endpoint: Way,
    /// Led by the name below which everything is found, over TLS at port 443.
    pub universe: Way,
    pub traps: &'static [&'static str],
}

#[derive(Clone, Copy)]
pub struct Way {
    pub exports: &'static [(&'static str, &'static str)],
    /// Only with `--ca`.
    pub certificates: &'static [&'static str],
    /// For a file or for code: shown as comments.
    pub beside: &'static [&'static str],
    /// Why the exports are shown as comments too: they would not be safe by themselves.
    pub unsafe_alone: Option<&'static str>,
    /// What of this was never run.
    pub not_run: Option<&'static str>,
}

const EMULATOR: (&str, &str) = ("BIGQUERY_EMULATOR_HOST", "{gateway}");
const PROJECT: (&str, &str) = ("GOOGLE_CLOUD_PROJECT", "{project}");
const CREDENTIALS: (&str, &str) = ("GOOGLE_APPLICATION_CREDENTIALS", "{credentials}");
const UNIVERSE: (&str, &str) = ("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "{domain}");
/// A port where nothing listens: gRPC fails at once, and dials nobody else.
const GRPC_NOWHERE: (&str, &str) = ("grpc_proxy", "http://127.0.0.1:9");
/// Without it an exception of `no_proxy` would open the way again.
const GRPC_NO_EXCEPTION: (&str, &str) = ("no_grpc_proxy", "localhost");

const PYTHON_ENDPOINT: Way = Way {
    exports: &[EMULATOR, PROJECT, CREDENTIALS, GRPC_NOWHERE, GRPC_NO_EXCEPTION],
    certificates: &["REQUESTS_CA_BUNDLE"],
    beside: &[],
    unsafe_alone: None,
    not_run: None,
};
const PYTHON_UNIVERSE: Way = Way {
    exports: &[UNIVERSE, PROJECT, CREDENTIALS],
    certificates: &["REQUESTS_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"],
    beside: &[],
    unsafe_alone: None,
    not_run: None,
};
const NODE: Way = Way {
    exports: &[EMULATOR, PROJECT, CREDENTIALS],
    certificates: &["NODE_EXTRA_CA_CERTS"],
    beside: &[],
    unsafe_alone: None,
    not_run: None,
};
const NODE_BESIDE: &[&str] = &[
    "new BigQuery({ universeDomain: \"{domain}\" }) does the same in code.",
    "The Storage client is led in code alone: new BigQueryReadClient({ universeDomain: \"{domain}\" }).",
];
const CODE: Way = Way { exports: &[PROJECT, CREDENTIALS], certificates: &[], beside: &[], unsafe_alone: Some(CODE_UNSAFE), not_run: None };

const STORAGE_BY_ENDPOINT: &str = "An address moves REST alone. The Storage API is another host and dials Google with the gateway's token: to_dataframe() uses it by default. \
That is why grpc_proxy leads to a port where nobody listens: it fails at once with 503 `failed to connect to all addresses`. All other gRPC clients of that process fail too. \
The universe domain (--universe-domain) leads both to the gateway.";
const STORAGE_SERVED: &str = "By the universe domain to_dataframe() reads over the Storage API, through the gateway. By address to_dataframe(create_bqstorage_client=False) reads over REST.";
const DOMAIN_WINS: &str = "With a universe domain the address in BIGQUERY_EMULATOR_HOST is not used: the names bigquery.{domain} and bigquerystorage.{domain} have to lead to the gateway, at port 443.";
const PYTHON_CA: &str = "A token_url with https whose certificate is not believed looks like a client that hangs.";
const API_ENDPOINT: &str = "Do not set api_endpoint in code: it moves REST and leaves the Storage API at Google.";

pub const CLIENTS: &[Client] = &[
    Client {
        name: "python",
        endpoint: PYTHON_ENDPOINT,
        universe: PYTHON_UNIVERSE,
        traps: &[STORAGE_BY_ENDPOINT, STORAGE_SERVED, DOMAIN_WINS, API_ENDPOINT, PYTHON_CA],
    },
    Client {
        name: "bq",
        endpoint: Way {
            exports: &[
                ("CLOUDSDK_API_ENDPOINT_OVERRIDES_BIGQUERY", "{gateway}/"),
                ("CLOUDSDK_CORE_PROJECT", "{project}"),
                ("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "{credentials}"),
                ("CLOUDSDK_AUTH_TOKEN_INTROSPECTION_ENDPOINT", "{gateway}/v1/introspect"),
            ],
            certificates: &["CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "REQUESTS_CA_BUNDLE"],
            beside: &[],
            unsafe_alone: None,
            not_run: None,
        },
        universe: Way {
            exports: &[
                ("CLOUDSDK_CORE_UNIVERSE_DOMAIN", "{domain}"),
                ("CLOUDSDK_CORE_PROJECT", "{project}"),
                ("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "{credentials}"),
                ("CLOUDSDK_AUTH_TOKEN_INTROSPECTION_ENDPOINT", "{gateway}/v1/introspect"),
            ],
            certificates: &["CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "REQUESTS_CA_BUNDLE"],
            beside: &[],
            unsafe_alone: None,
            not_run: None,
        },
        traps: &[
            "The address ends in a slash. gcloud has to ask who the file belongs to, at the introspection endpoint.",
            "The file of CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE replaces the certificates that gcloud believes otherwise. It does not reach the introspection endpoint: that asks REQUESTS_CA_BUNDLE.",
            "bq cannot renew the token of an external_account file: a query that waits longer than the token lives ends with `Authorization error`.",
            "On 401 bq shows a text of its own, and the gateway's is lost. .bigqueryrc with api and oauth_access_token alone is not enough.",
            "Every bq command is a process that exchanges a token: the issuer has to be one whose tokens may be exchanged more than once.",
        ],
    },
    Client {
        name: "node",
        endpoint: NODE,
        universe: Way { certificates: &["NODE_EXTRA_CA_CERTS", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"], beside: NODE_BESIDE, ..NODE },
        traps: &[
            "Node does not get a new token on 401: it fails at once. It renews by expires_in.",
            "GOOGLE_CLOUD_UNIVERSE_DOMAIN alone does not lead Node: the client 8.3.1 does not read it, and dialled Google with the gateway's token. The address does.",
            "The client of the Storage API (@google-cloud/bigquery-storage) reads neither: do not use it without its options apiEndpoint and port.",
            "service_account files work with a universe domain alone (universeDomain in code too): otherwise Node asks Google for their tokens whatever token_uri says.",
            "promise() asks for the job twice a second; getQueryResults() waits at the server.",
        ],
    },
    Client {
        name: "dbt",
        endpoint: Way { beside: DBT, ..PYTHON_ENDPOINT },
        universe: Way { beside: DBT, ..PYTHON_UNIVERSE },
        traps: &[
            "Leave api_endpoint out of the profile: it moves REST and leaves the Storage API at Google.",
            "job_execution_timeout_seconds cuts a query off that waits; it is a day if absent.",
            "Dataproc, Vertex AI and Cloud Storage clients are not moved: Python models would go to Google.",
            "dbt-core<1.12 was run. pip takes 2.x without a pin.",
            STORAGE_BY_ENDPOINT,
            DOMAIN_WINS,
        ],
    },
    Client {
        name: "sqlalchemy",
        endpoint: Way { beside: SQLALCHEMY, ..PYTHON_ENDPOINT },
        universe: Way { beside: SQLALCHEMY, ..PYTHON_UNIVERSE },
        traps: &[
            "The URL has no place for an address: the environment leads it.",
            "Cursors use the Storage API by themselves where its library is installed and the result does not fit in the first answer.",
            STORAGE_BY_ENDPOINT,
            "The gateway serves it where the universe domain leads there.",
            DOMAIN_WINS,
        ],
    },
    Client {
        name: "pandas-gbq",
        endpoint: Way { beside: PANDAS_GBQ, ..PYTHON_ENDPOINT },
        universe: Way { beside: PANDAS_GBQ, ..PYTHON_UNIVERSE },
        traps: &[
            "Do not pass a bigquery_client with api_endpoint: for results that do not fit in the first answer pandas-gbq makes a second client without it, which dials Google with the same token.",
            STORAGE_BY_ENDPOINT,
            "By address the Storage API does not lead here: read with use_bqstorage_api=False.",
            DOMAIN_WINS,
        ],
    },
    Client {
        name: "adbc",
        endpoint: Way { unsafe_alone: Some(ADBC_UNSAFE), ..CODE },
        universe: Way {
            exports: &[UNIVERSE, PROJECT, CREDENTIALS],
            certificates: &["SSL_CERT_FILE"],
            unsafe_alone: Some(ADBC_UNSAFE),
            not_run: Some(
                "rows of ADBC by configuration alone. Its statements and refusals came through this gateway; for rows it dials Google's name whatever is set.",
            ),
            ..CODE
        },
        traps: &[
            "The driver has no option for an address.",
            "It reads all rows over the Storage API of Google's own name: rows come where that name leads to the gateway, by DNS and a certificate that the driver believes.",
        ],
    },
    Client {
        name: "go",
        endpoint: Way {
            beside: &["client, err := bigquery.NewClient(ctx, \"{project}\", option.WithEndpoint(\"{gateway}/bigquery/v2/\"))"],
            certificates: &["SSL_CERT_FILE"],
            not_run: Some("Go. These options are from the libraries' documents; whether the path belongs to the address was not tried."),
            ..CODE
        },
        universe: Way {
            exports: &[UNIVERSE, PROJECT, CREDENTIALS],
            certificates: &["SSL_CERT_FILE"],
            unsafe_alone: None,
            beside: &["client, err := bigquery.NewClient(ctx, \"{project}\", option.WithUniverseDomain(\"{domain}\"))"],
            not_run: Some("Go itself. The variable was seen to move REST in a driver that is written in Go; the option was not tried."),
        },
        traps: &[
            "Do not switch the Storage API on in the client: in the driver that was tried its gRPC dialled Google with the gateway's token although the universe domain was set. It needs option.WithEndpoint of its own, which was not run.",
            "Go does not get a new token on 401: it fails at once.",
            "The JWT of a service_account file has another aud than Python's; the gateway takes both, and Go itself was not run.",
        ],
    },
    Client {
        name: "java",
        endpoint: Way {
            beside: &[
                "BigQuery client = BigQueryOptions.newBuilder().setProjectId(\"{project}\").setHost(\"{gateway}\").build().getService();",
            ],
            not_run: Some("Java. The methods are in its reference; nothing of it was tried."),
            ..CODE
        },
        universe: Way {
            beside: &[
                "BigQuery client = BigQueryOptions.newBuilder().setProjectId(\"{project}\").setUniverseDomain(\"{domain}\").build().getService();",
                "For the Storage API, where it is used: BigQueryReadSettings.newBuilder().setEndpoint(\"bigquerystorage.{domain}:443\")",
            ],
            not_run: Some("Java. The methods are in its reference; nothing of it was tried."),
            ..CODE
        },
        traps: &[
            "setHost moves REST alone: a client of the Storage API has an address of its own, and without it dials Google with the gateway's token.",
            "A private certificate authority has to be in the trust store of the JVM. That was not tried.",
        ],
    },
    Client {
        name: "jdbc",
        endpoint: Way {
            beside: &["EndpointOverrides=BIGQUERY={gateway},READ_API={authority},OAUTH2={gateway}/v1/token;"],
            not_run: Some(JDBC_NOT_RUN),
            ..CODE
        },
        universe: Way {
            beside: &[
                "EndpointOverrides=BIGQUERY=https://bigquery.{domain},READ_API=bigquerystorage.{domain}:443,OAUTH2={gateway}/v1/token;",
            ],
            not_run: Some(JDBC_NOT_RUN),
            ..CODE
        },
        traps: &[
            "Name READ_API too: without it large results are read over the Storage API from Google, with the gateway's token.",
            "A private certificate authority has to be in the trust store of the JVM. That was not tried.",
        ],
    },
];

const CODE_UNSAFE: &str =
    "without the line below the client would dial Google with the gateway's token. Set the rest when the line is in its place.";
const JDBC_NOT_RUN: &str = "JDBC. The property is known from the drivers of Simba and of Google; nothing of it was tried. Watch what it dials before a token is used.";
const ADBC_UNSAFE: &str = "ADBC reads rows from bigquerystorage.googleapis.com:443 whatever is set, with the gateway's token: nothing here is set until that name leads to the gateway in DNS, with a certificate that the client believes.";
const DBT: &[&str] = &[
    "profiles.yml, below outputs; without api_endpoint:",
    "  dev: {type: bigquery, method: oauth, project: {project}, dataset: YOUR_DATASET, threads: 1, job_retries: 1}",
];
const SQLALCHEMY: &[&str] = &["engine = sqlalchemy.create_engine(\"bigquery://{project}/YOUR_DATASET\")"];
const PANDAS_GBQ: &[&str] = &["pandas_gbq.read_gbq(sql, project_id=\"{project}\", use_bqstorage_api=False)"];
