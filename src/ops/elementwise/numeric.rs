//! What integers and floats do under the operators, as NumPy defines it.

use crate::array::Element;

/// A number with NumPy's `//`, `%`, `minimum`, `maximum` and `abs`.
pub(crate) trait Numeric: Element {
    /// Rounded towards minus infinity; an integer divided by zero gives 0.
    fn floor_divide(self, divisor: Self) -> Self;
    /// What `floor_divide` leaves, with the sign of the divisor; an integer modulo zero gives 0.
    fn remainder(self, divisor: Self) -> Self;
    /// The smaller one; NaN wins.
    fn smaller(self, other: Self) -> Self;
    /// The larger one; NaN wins.
    fn larger(self, other: Self) -> Self;
    /// Without its sign; the least integer stays what it is.
    fn absolute(self) -> Self;
}

macro_rules! order_of_integers {
    () => {
        #[inline(always)]
        fn smaller(self, other: Self) -> Self {
            self.min(other)
        }

        #[inline(always)]
        fn larger(self, other: Self) -> Self {
            self.max(other)
        }
    };
}

macro_rules! unsigned {
    ($($t:ty)*) => {$(
        impl Numeric for $t {
            order_of_integers!();

            #[inline(always)]
            fn floor_divide(self, divisor: Self) -> Self {
                self.checked_div(divisor).unwrap_or(0)
            }

            #[inline(always)]
            fn remainder(self, divisor: Self) -> Self {
                self.checked_rem(divisor).unwrap_or(0)
            }

            #[inline(always)]
            fn absolute(self) -> Self {
                self
            }
        }
    )*};
}

macro_rules! signed {
    ($($t:ty)*) => {$(
        impl Numeric for $t {
            order_of_integers!();

            #[inline(always)]
            fn floor_divide(self, divisor: Self) -> Self {
                if divisor == 0 {
                    return 0;
                }
                let (quotient, rest) = (self.wrapping_div(divisor), self.wrapping_rem(divisor));
                quotient - <$t>::from(rest != 0 && (rest < 0) != (divisor < 0))
            }

            #[inline(always)]
            fn remainder(self, divisor: Self) -> Self {
                if divisor == 0 {
                    return 0;
                }
                let rest = self.wrapping_rem(divisor);
                if rest != 0 && (rest < 0) != (divisor < 0) { rest + divisor } else { rest }
            }

            #[inline(always)]
            fn absolute(self) -> Self {
                self.wrapping_abs()
            }
        }
    )*};
}

macro_rules! floats {
    ($($t:ty)*) => {$(
        impl Numeric for $t {
            #[inline(always)]
            fn floor_divide(self, divisor: Self) -> Self {
                if divisor == 0.0 {
                    return self / divisor;
                }
                let rest = self % divisor;
                let mut quotient = (self - rest) / divisor;
                if rest != 0.0 && (divisor < 0.0) != (rest < 0.0) {
                    quotient -= 1.0;
                }
                if quotient == 0.0 {
                    return (0.0 as $t).copysign(self / divisor);
                }
                let floor = quotient.floor();
                if quotient - floor > 0.5 { floor + 1.0 } else { floor }
            }

            #[inline(always)]
            fn remainder(self, divisor: Self) -> Self {
                let rest = self % divisor;
                if divisor == 0.0 {
                    rest
                } else if rest == 0.0 {
                    (0.0 as $t).copysign(divisor)
                } else if (divisor < 0.0) != (rest < 0.0) {
                    rest + divisor
                } else {
                    rest
                }
            }

            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                if self <= other || self.is_nan() { self } else { other }
            }

            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                if self >= other || self.is_nan() { self } else { other }
            }

            #[inline(always)]
            fn absolute(self) -> Self {
                self.abs()
            }
        }
    )*};
}

unsigned!(u8 u16 u32 u64);
signed!(i8 i16 i32 i64);
floats!(f32 f64);

/// The arithmetic of floats, with one NaN only: which of several NaNs survives is the compiler's choice, and may
/// differ between the body and the tail of a loop.
pub(crate) trait Real: Numeric {
    /// The number, or the one NaN.
    fn one_nan(self) -> Self;
    /// `self ** exponent`
    fn power(self, exponent: Self) -> Self;
    /// `sqrt(self² + other²)` without overflow on the way.
    fn hypotenuse(self, other: Self) -> Self;
    /// The square root.
    fn root(self) -> Self;
}

impl Real for f32 {
    #[inline(always)]
    fn one_nan(self) -> Self {
        if self.is_nan() { f32::NAN } else { self }
    }

    #[inline(always)]
    fn power(self, exponent: Self) -> Self {
        self.powf(exponent)
    }

    #[inline(always)]
    fn hypotenuse(self, other: Self) -> Self {
        // Squares of singles neither overflow nor underflow as doubles, and this vectorises.
        let (x, y) = (f64::from(self), f64::from(other));
        let h = (x * x + y * y).sqrt() as f32;
        if self.is_infinite() || other.is_infinite() { f32::INFINITY } else { h }
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
}

impl Real for f64 {
    #[inline(always)]
    fn one_nan(self) -> Self {
        if self.is_nan() { f64::NAN } else { self }
    }

    #[inline(always)]
    fn power(self, exponent: Self) -> Self {
        self.powf(exponent)
    }

    #[inline(always)]
    fn hypotenuse(self, other: Self) -> Self {
        self.hypot(other)
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_divide_as_numpy_does() {
        assert_eq!(
            [(-7i8).floor_divide(2), 7i8.floor_divide(-2), (-6i8).floor_divide(3), 5i8.floor_divide(0)],
            [-4, -4, -2, 0]
        );
        assert_eq!([(-7i8).remainder(2), 7i8.remainder(-2), (-6i8).remainder(3), 5i8.remainder(0)], [1, -1, 0, 0]);
        assert_eq!(((-128i8).floor_divide(-1), (-128i8).remainder(-1)), (-128, 0));
        assert_eq!((7u8.floor_divide(0), 7u8.remainder(0)), (0, 0));
    }

    #[test]
    fn floats_divide_as_numpy_does() {
        assert_eq!(
            [(-7.0f64).floor_divide(2.0), 7.0f64.floor_divide(-2.0), (-0.5f64).floor_divide(f64::INFINITY)],
            [-4.0, -4.0, -1.0]
        );
        assert_eq!(1.0f64.floor_divide(0.0), f64::INFINITY);
        assert!(1.0f64.remainder(0.0).is_nan() && f64::NAN.floor_divide(1.0).is_nan());
        assert_eq!((-7.0f32).remainder(2.0), 1.0);
        assert!((4.0f32).remainder(-2.0).is_sign_negative());
    }

    #[test]
    fn nan_wins() {
        assert!(f32::NAN.smaller(1.0).is_nan() && 1.0f32.smaller(f32::NAN).is_nan());
        assert!(f32::NAN.larger(1.0).is_nan() && 1.0f32.larger(f32::NAN).is_nan());
    }
}
