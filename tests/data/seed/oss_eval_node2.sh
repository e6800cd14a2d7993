#!/bin/bash
#SBATCH --partition batch
#SBATCH --time 24:00:00
#SBATCH --nodes 1
#SBATCH --gpus-per-node=8
#SBATCH --ntasks-per-node=1
#SBATCH --job-name oss_eval_node2
#SBATCH --mem=0
#SBATCH --overcommit
#SBATCH --exclusive
#SBATCH --dependency=singleton
#SBATCH --output=oss_eval_node2.out
#SBATCH --error=oss_eval_node2.err

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
MODEL=${EXPERT_1:-openai/gpt-oss-20b}

VLLM_CACHE_ROOT=/tmp/vllm_cache/gpt_oss_0 CUDA_VISIBLE_DEVICES=0 vllm serve "$MODEL" --port 1910 \
    --async-scheduling --enable-auto-tool-choice --tool-call-parser hermes --gpu-memory-utilization 0.95 &
sleep 30

VLLM_CACHE_ROOT=/tmp/vllm_cache/gpt_oss_1 CUDA_VISIBLE_DEVICES=1 vllm serve "$MODEL" --port 1911 \
    --async-scheduling --enable-auto-tool-choice --tool-call-parser hermes --gpu-memory-utilization 0.95 &
sleep 30

VLLM_CACHE_ROOT=/tmp/vllm_cache/gpt_oss_2 CUDA_VISIBLE_DEVICES=2 vllm serve "$MODEL" --port 1912 \
    --async-scheduling --enable-auto-tool-choice --tool-call-parser hermes --gpu-memory-utilization 0.95 &
sleep 30

VLLM_CACHE_ROOT=/tmp/vllm_cache/gpt_oss_3 CUDA_VISIBLE_DEVICES=3 vllm serve "$MODEL" --port 1913 \
    --async-scheduling --enable-auto-tool-choice --tool-call-parser hermes --gpu-memory-utilization 0.95 &
sleep 30

sleep 15000
