//! Who listens where. Source: KAITO v0.12.0 `pkg/utils/consts`.

/// The inference server; container port name `http`. The RAG service and the metrics of a tuning too.
pub const INFERENCE: u16 = 5000;
/// vLLM behind the routing sidecar, which then has [`INFERENCE`].
pub const INFERENCE_BEHIND_SIDECAR: u16 = 5001;
/// vLLM's publisher of KV-cache events; port name `kv-events`.
pub const KV_EVENTS: u16 = 5557;
/// Ray's global control store; port name `ray`.
pub const RAY: u16 = 6379;
/// Ray's dashboard; port name `dashboard`.
pub const RAY_DASHBOARD: u16 = 8265;
/// The Service in front of [`INFERENCE`]; port name `http`.
pub const SERVICE: u16 = 80;
/// The sampler of a ModelMirror; port name `metrics`.
pub const MODEL_MIRROR_METRICS: u16 = 9100;
