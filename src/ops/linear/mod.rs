//! Linear filters, and those made of them: correlation along axes and in several dimensions, gaussians, derivatives.

mod combine;
mod correlate;
pub(crate) mod correlate1d;
pub(crate) mod derivatives;
mod direct;
pub(crate) mod gaussian;
mod sharpen;
mod transform;
pub(crate) mod unit;

pub use correlate::{CONVOLVE, CORRELATE};
pub use correlate1d::{CONVOLVE1D, CORRELATE1D};
pub use derivatives::{LAPLACE, PREWITT, ROBERTS, SCHARR, SOBEL};
pub use gaussian::{GAUSSIAN_FILTER, GAUSSIAN_FILTER1D, GAUSSIAN_GRADIENT_MAGNITUDE, GAUSSIAN_LAPLACE};
pub use sharpen::{DIFFERENCE_OF_GAUSSIANS, UNSHARP_MASK};
