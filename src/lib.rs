//! n-D scientific images larger than memory, under a hard memory limit, bit for bit as if they had fitted.
//!
//! # A tour
//!
//! A file is opened as a lazy [`Array`](graph::Array): only its header is read. Operations, named and parametrised as in
//! scipy.ndimage and scikit-image, build a graph. A [`Run`] says what is wanted within which means, plans, and streams the
//! image through, tile by tile.
//!
//! ```
//! use tilewise::{Run, exec::Event};
//!
//! # fn main() -> tilewise::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
//! # let (input, smooth_npy, labels_npy) = (path("in.npy"), path("smooth.npy"), path("labels.npy"));
//! # let zeros = tilewise::graph::MemArray::zeros(tilewise::array::ArraySpec::unnamed(&[300, 400], tilewise::array::DType::U16))?;
//! # Run::new().save(&tilewise::graph::Array::value(tilewise::graph::Value::Array(zeros.into())), &input, false)?.run()?;
//! let image = tilewise::open(&input)?;                              // 300 x 400, uint16
//!
//! // One call at a time, or in the pipeline language of the command line.
//! let smooth = image.call("gaussian_filter", [2.0.into()], [("mode", "nearest".into())])?;
//! let labels = tilewise::pipeline("threshold(input, \"otsu\") |> label()", &smooth)?;
//!
//! // A closure of your own, under the same promises: here the 3 x 3 sum.
//! let sums = tilewise::map_overlap::<f32, f32>(
//!     &smooth, &[1, 1], tilewise::array::Mode::Reflect, 0.0,
//!     |tile, mut out| {
//!         ndarray::Zip::from(&mut out.view_mut().into_dimensionality::<ndarray::Ix2>().unwrap())
//!             .and(tile.into_dimensionality::<ndarray::Ix2>().unwrap().windows((3, 3)))
//!             .for_each(|o, w| *o = w.sum());
//!     },
//! )?;
//!
//! // Everything that is wanted goes into one run, so that what they share is computed once.
//! let progress = |event: &Event| if let Event::TileWritten { tile, .. } = event { let _ = tile; };
//! let run = Run::new()
//!     .memory_limit(32 << 20)
//!     .threads(2)
//!     .observer(&progress)
//!     .save(&smooth, &smooth_npy, false)?
//!     .save(&labels, &labels_npy, false)?
//!     .value(&labels.output("count")?)
//!     .value(&sums.call("max", [], [])?);
//! println!("{}", run.plan()?.bill);                                  // before a pixel is read
//! let report = run.run()?;
//! let count = report.values[2].as_ref().and_then(|v| v.to_scalar());
//! assert_eq!(count.map(|c| c.to_f64()), Some(0.0));                  // nothing but background here
//! # Ok(()) }
//! ```
//!
//! # What holds
//!
//! * **The limit is a limit.** What a plan needs is known before the first pixel is read ([`plan::Plan::bill`]), and what does
//!   not fit is refused with [`Error::Memory`].
//! * **Tiling is invisible.** Results are bit-identical for every tile size, limit, thread count and storage chunking.
//! * **Outputs appear complete or not at all.**
//! * The library holds no globals: several runs can share one process and one [`budget::Budget`].
//!
//! # Features
//!
//! `default-features = false` leaves the core: npy, raw files, the operations, the language. `tiff` and `image` (PNG, JPEG) add
//! formats, `cli` the command.

pub mod array;
pub mod budget;
mod cancel;
pub mod error;
pub mod exec;
pub mod graph;
pub mod io;
#[doc(hidden)]
pub mod kernels;
pub mod lang;
pub mod ops;
pub mod plan;
mod run;
mod suggest;
pub mod sys;

pub use cancel::Cancel;
pub use error::{Error, Result};
pub use ops::labelled::own::{Values, labeled_comprehension};
pub use ops::map::{map_blocks, map_overlap};
pub use run::{OWN_OVERHEAD, Run, open, pipeline};
