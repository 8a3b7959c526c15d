"""What a standalone master says to Spark's own messages (org.apache.spark.deploy)."""


def ask(sc, host, port, request, answer):
    """The master's answer to a message. request and answer are classes; request is an object."""
    jvm = sc._jvm
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    kind = jvm.java.lang.Class.forName("org.apache.spark.deploy." + answer, True, loader)
    message = jvm.java.lang.Class.forName("org.apache.spark.deploy." + request, True, loader)
    address = jvm.org.apache.spark.rpc.RpcAddress(host, int(port))
    ref = sc._jsc.sc().env().rpcEnv().setupEndpointRef(address, "Master")
    tag = getattr(getattr(jvm.scala.reflect, "ClassTag$"), "MODULE$").apply(kind)
    return ref.askSync(message.getField("MODULE$").get(None), tag)


def state(sc, host, port):
    messages = "DeployMessages$"
    return ask(sc, host, port, f"{messages}RequestMasterState$", f"{messages}MasterStateResponse")


def web_page(sc):
    """The web page of the active master of sc; "": it has none, or Spark's messages are others."""
    if not sc.master.startswith("spark://"):
        return ""
    for place in sc.master.removeprefix("spark://").split(","):
        host, _, port = place.rpartition(":")
        try:
            if state(sc, host.strip("[]"), port).status().toString() != "ALIVE":
                continue
            messages = "master.MasterMessages$"
            request, answer = f"{messages}BoundPortsRequest$", f"{messages}BoundPortsResponse"
            return f"http://{host}:{ask(sc, host.strip('[]'), port, request, answer).webUIPort()}"
        except Exception:  # a standby that is gone, or another version of Spark
            continue
    return ""
