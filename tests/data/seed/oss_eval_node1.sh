#!/bin/bash
#SBATCH --partition batch
#SBATCH --time 24:00:00
#SBATCH --nodes 1
#SBATCH --gpus-per-node=8
#SBATCH --ntasks-per-node=1
#SBATCH --job-name oss_eval_node1
#SBATCH --mem=0
#SBATCH --overcommit
#SBATCH --exclusive
#SBATCH --dependency=singleton
#SBATCH --output=oss_eval_node1.out
#SBATCH --error=oss_eval_node1.err

set -x
hostname -i
source ~/.bashrc
source ~/miniconda3/etc/profile.d/conda.sh
conda activate vllm1

# Check for existing GPU processes before starting vLLM
GPU_PROCESSES=$(nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv,noheader 2>/dev/null | wc -l)
if [ "$GPU_PROCESSES" -gt 0 ]; then
    echo "WARNING: $GPU_PROCESSES stale processes"
    # Kill stale processes owned by current user
    for pid in $(nvidia-smi --query-compute-apps=pid --format=csv,noheader); do
        if [ "$(ps -o user= -p "$pid")" = "$USER" ]; then
            kill -9 $pid
        fi
    done
    sleep 5
fi

export VLLM_LOGGING_LEVEL=INFO
CKPT_DIR="$HOME/checkpoints/nvidia/Nemotron-Orchestrator-8B"
CHAT_TEMPLATE="/home/junxiong/haokang/ToolOrchestra/evaluation/tool_chat_template_llama3.1_json.jinja"

VLLM_CACHE_ROOT="/tmp/vllm_cache/orchestrator_0" CUDA_VISIBLE_DEVICES=0 vllm serve $CKPT_DIR \
    --enable-auto-tool-choice \
    --tool-call-parser hermes \
    --chat-template $CHAT_TEMPLATE \
    --gpu-memory-utilization 0.95 \
    --port 1900 > logs_vllm/orchestrator_0.log 2>&1 &
sleep 30
VLLM_CACHE_ROOT="/tmp/vllm_cache/orchestrator_1" CUDA_VISIBLE_DEVICES=1 vllm serve $CKPT_DIR \
    --enable-auto-tool-choice \
    --tool-call-parser hermes \
    --chat-template $CHAT_TEMPLATE \
    --gpu-memory-utilization 0.95 \
    --port 1901 > logs_vllm/orchestrator_1.log 2>&1 &
sleep 30
VLLM_CACHE_ROOT="/tmp/vllm_cache/orchestrator_2" CUDA_VISIBLE_DEVICES=2 vllm serve $CKPT_DIR \
    --enable-auto-tool-choice \
    --tool-call-parser hermes \
    --chat-template $CHAT_TEMPLATE \
    --gpu-memory-utilization 0.95 \
    --port 1902 > logs_vllm/orchestrator_2.log 2>&1 &
sleep 30
VLLM_CACHE_ROOT="/tmp/vllm_cache/orchestrator_3" CUDA_VISIBLE_DEVICES=3 vllm serve $CKPT_DIR \
    --enable-auto-tool-choice \
    --tool-call-parser hermes \
    --chat-template $CHAT_TEMPLATE \
    --gpu-memory-utilization 0.95 \
    --port 1903 > logs_vllm/orchestrator_3.log 2>&1 &
sleep 30

export VLLM_CACHE_ROOT="/tmp/vllm_cache/qwen3_32b_0"
CUDA_VISIBLE_DEVICES=4 vllm serve Qwen/Qwen3-32B-FP8 --enable-auto-tool-choice --tool-call-parser hermes \
    --gpu-memory-utilization 0.95 --port 1904 &
sleep 60
export VLLM_CACHE_ROOT="/tmp/vllm_cache/qwen3_32b_1"
CUDA_VISIBLE_DEVICES=5 vllm serve Qwen/Qwen3-32B-FP8 --enable-auto-tool-choice --tool-call-parser hermes \
    --gpu-memory-utilization 0.95 --port 1905 &
sleep 60
export VLLM_CACHE_ROOT="/tmp/vllm_cache/qwen3_32b_2"
CUDA_VISIBLE_DEVICES=6 vllm serve Qwen/Qwen3-32B-FP8 --enable-auto-tool-choice --tool-call-parser hermes \
    --gpu-memory-utilization 0.95 --port 1906 &
sleep 60
export VLLM_CACHE_ROOT="/tmp/vllm_cache/qwen3_32b_3"
CUDA_VISIBLE_DEVICES=7 vllm serve Qwen/Qwen3-32B-FP8 --enable-auto-tool-choice --tool-call-parser hermes \
    --gpu-memory-utilization 0.95 --port 1907 &
sleep 60

sleep 15000
