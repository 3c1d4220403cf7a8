"""The latest state of every order, whole, for those who don't want to fold its events themselves."""
