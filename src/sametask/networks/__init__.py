"""Networks: one boundary to every framework."""

from sametask.networks.callable import CallableNetwork as CallableNetwork
from sametask.networks.callable import from_callable as from_callable
from sametask.networks.load import load_network as load_network
from sametask.networks.network import Network as Network
from sametask.networks.onnx_network import OnnxNetwork as OnnxNetwork
from sametask.networks.onnx_network import from_onnx as from_onnx
from sametask.networks.torch_network import TorchNetwork as TorchNetwork
from sametask.networks.torch_network import from_torch as from_torch
