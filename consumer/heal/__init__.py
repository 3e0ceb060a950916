"""The strategies, each of which acts and then proves by something other than its own action that it worked."""
