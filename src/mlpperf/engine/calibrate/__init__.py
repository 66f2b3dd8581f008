"""How small a slowdown this machine can see: known ones, put into the code and looked for."""
