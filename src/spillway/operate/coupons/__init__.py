"""Limited coupons: their codes, their uses, and whether both agree with the orders."""
