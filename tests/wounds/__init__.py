"""What Faust as shipped does to messages and state, each fault as a scenario that the engine has to survive."""
